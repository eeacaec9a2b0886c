# frozen_string_literal: true

# Writes the deployment's settings into the configuration that the packages ship.
#
#   ONE_HOSTNAME          HOSTNAME of oned.conf
#   ONE_DB_BACKEND        sqlite (default) or mysql; for mysql also ONE_DB_HOST,
#                         ONE_DB_PORT (3306), ONE_DB_USER, ONE_DB_NAME and
#                         ONE_DB_PASSWORD_FILE
#   ONE_MONITOR_ADDRESS   where hypervisors send monitoring; unset: auto
#   ONE_ONEGATE_ENDPOINT  where virtual machines find OneGate
#
# Files /etc/opennebula/oned.conf and monitord.conf are merged in last.

require 'yaml'
require_relative 'one_conf'

ETC = ENV.fetch('ONE_ETC', '/etc/one')
OVERRIDES = ENV.fetch('ONE_OVERRIDES', '/etc/opennebula')

def setting(name, default = nil)
  value = ENV[name].to_s
  value = default.to_s if value.empty?
  raise OneConf::Error, "#{name} is not set" if value.empty?

  value
end

# oned's parser knows one escape, \", and takes every other backslash as it is.
def quoted(text)
  if text.include?("\n") || text.include?('\"') || text.end_with?('\\')
    raise OneConf::Error, 'oned.conf cannot hold a password or name with a line break, with \", or with \ at its end'
  end

  "\"#{text.gsub('"') { '\"' }}\""
end

# The client's option files know every backslash as an escape.
def option(text)
  "\"#{text.gsub(/["\\]/) { |c| "\\#{c}" }}\""
end

def database_password
  file = setting('ONE_DB_PASSWORD_FILE')
  File.read(file).chomp
rescue SystemCallError => e
  raise OneConf::Error, "ONE_DB_PASSWORD_FILE cannot be read: #{e.message}"
end

# The section DB of oned.conf, and the client's own file for the same server, so
# that no password ever stands in a command line.
def mysql
  server = { host: setting('ONE_DB_HOST'), port: Integer(setting('ONE_DB_PORT', 3306)),
             user: setting('ONE_DB_USER'), password: database_password }
  write_private("#{ETC}/.my.cnf", <<~CNF)
    [client]
    host = #{option(server[:host])}
    port = #{server[:port]}
    user = #{option(server[:user])}
    password = #{option(server[:password])}
  CNF
  <<~DB.chomp
    [ BACKEND = "mysql",
      SERVER  = #{quoted(server[:host])},
      PORT    = #{server[:port]},
      USER    = #{quoted(server[:user])},
      PASSWD  = #{quoted(server[:password])},
      DB_NAME = #{quoted(setting('ONE_DB_NAME'))},
      CONNECTIONS = 25,
      COMPARE_BINARY = "no" ]
  DB
end

def write_private(file, content)
  File.write(file, '')
  File.chmod(0o600, file)
  File.write(file, content)
end

def edit(name)
  conf = OneConf.read("#{ETC}/#{name}")
  yield conf
  override = "#{OVERRIDES}/#{name}"
  conf.merge(OneConf.read(override)) if File.exist?(override)
  conf.write
end

def edit_oned
  edit('oned.conf') do |conf|
    conf.put('HOSTNAME', value: quoted(setting('ONE_HOSTNAME')))
    conf.put('ONEGATE_ENDPOINT', value: quoted(ENV['ONE_ONEGATE_ENDPOINT'])) unless ENV['ONE_ONEGATE_ENDPOINT'].to_s.empty?
    case backend = setting('ONE_DB_BACKEND', 'sqlite')
    when 'sqlite' then nil # as packaged
    when 'mysql' then conf.set('DB', value: mysql)
    else raise OneConf::Error, "ONE_DB_BACKEND is \"#{backend}\"; it can be sqlite or mysql"
    end
  end
end

def edit_monitord
  edit('monitord.conf') do |conf|
    conf.set('NETWORK', 'MONITOR_ADDRESS', value: quoted(setting('ONE_MONITOR_ADDRESS', 'auto')))
  end
end

# Changes one key of a YAML file that the package must have.
def set_yaml(name, key, value)
  file = "#{ETC}/#{name}"
  conf = YAML.safe_load(File.read(file), permitted_classes: [Symbol], filename: file)
  conf.key?(key) or raise OneConf::Error, "#{file} has no #{key}; it cannot be set to #{value}"
  conf[key] = value
  File.write(file, YAML.dump(conf))
end

begin
  edit_oned
  edit_monitord
  # Packaged for a single machine, these listen on the loopback; in a pod their
  # clients come through a Service.
  set_yaml('oneflow-server.conf', :host, '0.0.0.0')
  set_yaml('onegate-server.conf', :host, '0.0.0.0')
  set_yaml('fireedge-server.conf', 'host', '0.0.0.0')
rescue OneConf::Error, Psych::Exception, SystemCallError, ArgumentError => e
  warn "bootstrap: #{e.message}"
  exit 1
end
