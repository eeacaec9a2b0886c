# frozen_string_literal: true

# Writes a deployment's settings into the configuration that the packages ship.
#
# From the environment; what is set to nothing counts as not set:
#
#   ONE_HOSTNAME          HOSTNAME of oned.conf: a host name or an IPv4 address
#   ONE_DB_BACKEND        sqlite (default), or mysql for MySQL and MariaDB, with
#     ONE_DB_HOST           the server, without a port
#     ONE_DB_PORT           1 to 65535; 3306 if not set
#     ONE_DB_USER
#     ONE_DB_NAME           the database, which must exist
#     ONE_DB_PASSWORD_FILE  a file with the user's password, in one line
#     ONE_DB_TLS            off (default); unverified, which encrypts; or verified, which
#                           also checks the server's certificate and name
#     ONE_DB_TLS_CA_FILE    certificates of the authorities that count for that, in
#                           PEM; the system's if not set
#     ONE_DB_CONNECTIONS    how many oned opens at most; as packaged if not set: 25
#   ONE_MONITOR_ADDRESS   where hypervisors send monitoring: a host name or an
#                         address; auto (default) lets them find out
#   ONE_MONITOR_PORT      where monitord listens, and tells them to send it; as
#                         packaged if not set: 4124
#   ONE_ONEGATE_ENDPOINT  where virtual machines find OneGate: a URL
#
# From the folder /etc/opennebula, where names with a dot in front do not count:
#
#   NAME        a fragment, merged into the file of that name: oned.conf,
#               monitord.conf, rank.conf, one_drs.conf, fireedge-server.conf,
#               sunstone-server.conf, oneflow-server.conf, onegate-server.conf,
#               onehem-server.conf or guacd. Single values replace the packaged
#               ones. Sections and mappings are merged pair by pair, those of
#               drivers with the one of the same NAME; further ones are added. A
#               list of oned.conf (…_ATTR) gains values, a list in YAML is
#               replaced. Only what the packaged file knows is taken, comments
#               included, and only in the same kind.
#   files/PATH  a whole file, in place of /etc/one/PATH or added to a folder of
#               /etc/one. It is taken as it is, except that what the environment
#               decides is written into oned.conf and monitord.conf all the same.
#
# What the environment decides cannot be set otherwise by a fragment, and no file
# can be given both whole and as a fragment. Without a whole file, OneFlow, OneGate
# and FireEdge listen on every address: packaged for a single machine, they would
# listen on the loopback, and in a pod their clients come through a Service; guacd,
# the other way round, listens on the loopback.
#
# Everything is checked before anything is written. What is refused is said in one
# sentence, with file and line where there is one, and the exit status is 1.

require_relative 'etc'
require_relative 'formats'
require_relative 'overrides'
require_relative 'settings'

# Where each server listens. guacd asks nobody who he is, so it is for FireEdge alone.
# Where a key stands has changed with the releases.
LISTEN = {
  'oneflow-server.conf' => { [':host'] => '0.0.0.0' },
  'onegate-server.conf' => { [':server', ':bind'] => '0.0.0.0', [':host'] => '0.0.0.0' },
  'fireedge-server.conf' => { ['host'] => '0.0.0.0' },
  'guacd' => { ['OPTS'] => '"-b 127.0.0.1"' }
}.freeze
REQUIRED = %w[oned.conf monitord.conf].freeze

# One file of /etc/one on its way from the packaged one to the deployment's.
class Change
  def initialize(format, settings, overrides, etc)
    @format = format
    @owned = settings.owned(format.path)
    @whole = overrides.whole[format.path]
    @fragment = overrides.fragments[format.path]
    @conf = format.reader.new(@whole ? @whole.file : etc.at(format.path), etc.text(format.path))
  end

  def text
    known = @format.reader.known(@conf, @format) if @fragment
    @whole ? check_whole : listen
    @owned.each { |owned| @conf.put(*owned.path, owned.value) if owned.value }
    merge(known) if @fragment
    @conf.text
  end

  private

  def listen
    places = LISTEN[@format.path] or return
    path = places.keys.find { |keys| @conf.has?(*keys) } || places.keys.last
    @conf.put(*path, places[path])
  end

  # A server in there would be overruled in silence.
  def check_whole
    chosen = @owned.find { |owned| owned.path == %w[DB BACKEND] } or return
    backend = @conf.find('DB', 'BACKEND') or return
    return if chosen.value != 'sqlite' || backend.plain == 'sqlite'

    raise Refusal.at(@whole.file, @conf.line(backend),
                     "DB/BACKEND is #{backend.plain}, but ONE_DB_BACKEND is sqlite: " \
                     'a server is set by ONE_DB_BACKEND and the other ONE_DB_ variables')
  end

  def merge(known)
    fragment = @format.reader.new(@fragment.file, Source.text(@fragment.file))
    known.check(fragment)
    @owned.each { |owned| check_owned(fragment, owned) }
    @conf.merge(fragment, known)
  end

  # Not the value: it may be a password.
  def check_owned(fragment, owned)
    entry = fragment.find(*owned.path) or return
    return if owned.value && entry.plain == owned.value.to_s

    raise Refusal.at(fragment.file, fragment.line(entry),
                     "#{owned.path.join('/')} is decided by #{owned.variable}: set it in that one place")
  end
end

# What is parsed here must be a text; the rest is none of our business.
def content(mounted)
  return Source.text(mounted.file) if FORMATS.any? { |format| format.path == mounted.path }
  return Source.bytes(mounted.file) unless mounted.path.end_with?('.yaml') || mounted.path.start_with?('auth/')

  text = Source.text(mounted.file)
  YamlConf.new(mounted.file, text)
  text
end

def configure(settings, overrides, etc)
  REQUIRED.each { |path| etc.file?(path) or raise Refusal, "#{etc.at(path)} is missing: the image must have it" }
  overrides.whole.each_value { |mounted| etc.put(mounted.path, content(mounted)) }
  FORMATS.select { |format| etc.file?(format.path) }.each do |format|
    text = Change.new(format, settings, overrides, etc).text
    etc.put(format.path, text) unless text == etc.text(format.path)
  end
  etc.put('.my.cnf', settings.client, 0o600) if settings.client
  etc.put(Tls::CA, settings.tls.authorities) if settings.tls.authorities
  etc.write
end

begin
  settings = Settings.new(ENV)
  etc = Etc.new(ENV.fetch('ONE_ETC', '/etc/one'))
  configure(settings, Overrides.new(ENV.fetch('ONE_OVERRIDES', '/etc/opennebula'), etc), etc)
rescue Refusal, SystemCallError => e
  warn "#{ARGV.first || 'configure'}: #{e.message}"
  exit 1
end
