# frozen_string_literal: true

require 'ipaddr'
require 'uri'
require_relative 'one_conf'
require_relative 'source'
require_relative 'tls'

# The settings of the environment, each checked by itself and against the others.
class Settings
  # A key of a file that a variable decides: its path, such as ['DB', 'PORT'], and
  # its value; none, if the variable must not be set as things are.
  Owned = Struct.new(:path, :variable, :value)

  # What a database on a server is reached with, by its name in oned.conf.
  SERVER = {
    'SERVER' => 'ONE_DB_HOST', 'PORT' => 'ONE_DB_PORT', 'USER' => 'ONE_DB_USER',
    'PASSWD' => 'ONE_DB_PASSWORD_FILE', 'DB_NAME' => 'ONE_DB_NAME'
  }.freeze

  TLS = %w[ONE_DB_TLS ONE_DB_TLS_CA_FILE].freeze

  # A part of a host name.
  LABEL = /[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/i.freeze

  attr_reader :backend, :tls

  def initialize(env)
    @env = env
    @hostname = hostname
    @monitor_address = monitor_address
    @monitor_port = number('ONE_MONITOR_PORT', 1..65_535)
    @endpoint = endpoint
    @backend = check_backend
    @tls = check_tls
    @database = backend == 'mysql' ? database : no_database
  end

  # The keys of a file that the environment decides.
  def owned(path)
    case path
    when 'oned.conf' then [Owned.new(['HOSTNAME'], 'ONE_HOSTNAME', @hostname), *owned_database, *owned_endpoint]
    when 'monitord.conf' then owned_monitor
    else []
    end
  end

  # The file of the database's own client for the same server, so that no password
  # ever stands in a command line. mariadb-dump refuses a database in [client]. What
  # onedb is told of the server is another thing; see tls.rb.
  def client
    return if backend == 'sqlite'

    <<~CNF
      [client]
      host = #{option(@database['HOST'])}
      port = #{@database['PORT']}
      user = #{option(@database['USER'])}
      password = #{option(@database['PASSWD'])}
      #{tls.client.join("\n")}
      [mysql]
      database = #{option(@database['DB_NAME'])}
      [onedb]
      server = #{option(tls.escaped(@database['HOST']))}
    CNF
  end

  private

  def owned_database
    owned = SERVER.map { |name, variable| Owned.new(['DB', name], variable, @database[name]) }
    owned.unshift(Owned.new(%w[DB BACKEND], 'ONE_DB_BACKEND', backend))
    owned << Owned.new(%w[DB CONNECTIONS], 'ONE_DB_CONNECTIONS', @database['CONNECTIONS']) if @database['CONNECTIONS']
    owned
  end

  def owned_endpoint
    @endpoint ? [Owned.new(['ONEGATE_ENDPOINT'], 'ONE_ONEGATE_ENDPOINT', @endpoint)] : []
  end

  def owned_monitor
    owned = []
    owned << Owned.new(%w[NETWORK MONITOR_ADDRESS], 'ONE_MONITOR_ADDRESS', @monitor_address) if @monitor_address
    owned << Owned.new(%w[NETWORK PORT], 'ONE_MONITOR_PORT', @monitor_port) if @monitor_port
    owned
  end

  # Set to nothing is not set.
  def optional(variable)
    value = @env[variable].to_s
    value unless value.empty?
  end

  def required(variable, reason)
    optional(variable) or raise Refusal, "#{variable} is not set: #{reason}"
  end

  # The drivers write it in front of a colon, which an IPv6 address has itself.
  def hostname
    value = required('ONE_HOSTNAME', 'drivers and hypervisors reach this front-end by it')
    name?(value) || (address?(value) && !value.include?(':')) or
      refuse('ONE_HOSTNAME', value, 'it must be a host name or an IPv4 address, such as frontend.example.org')
    value
  end

  # nil is auto.
  def monitor_address
    value = optional('ONE_MONITOR_ADDRESS')
    return if value == 'auto'

    value.nil? || host?(value) or
      refuse('ONE_MONITOR_ADDRESS', value, 'it must be auto, or a host name or address that hypervisors reach')
    value
  end

  def endpoint
    value = optional('ONE_ONEGATE_ENDPOINT') or return
    url?(value) or
      refuse('ONE_ONEGATE_ENDPOINT', value,
             'it must be a URL that virtual machines reach, such as http://gate.example.org:5030')
    value
  end

  def check_backend
    value = optional('ONE_DB_BACKEND') || 'sqlite'
    %w[sqlite mysql].include?(value) or
      refuse('ONE_DB_BACKEND', value, 'it can be sqlite, or mysql for MySQL and MariaDB')
    value
  end

  def no_database
    variable = [*SERVER.values, *TLS, 'ONE_DB_CONNECTIONS'].find { |name| optional(name) }
    variable and raise Refusal, "#{variable} is set, but ONE_DB_BACKEND is sqlite, which has no server: " \
                                "set ONE_DB_BACKEND to mysql, or unset #{variable}"
    {}
  end

  def check_tls
    mode = optional('ONE_DB_TLS') || 'off'
    Tls::MODES.include?(mode) or refuse('ONE_DB_TLS', mode, 'it can be off, unverified or verified')
    file = optional('ONE_DB_TLS_CA_FILE')
    file && mode != 'verified' and
      raise Refusal, "ONE_DB_TLS_CA_FILE is set, but ONE_DB_TLS is #{mode}: set it to verified, or unset ONE_DB_TLS_CA_FILE"
    Tls.new(mode, file && Tls.read(file, "ONE_DB_TLS_CA_FILE, #{file},"))
  end

  def database
    host = database_host
    {
      'HOST' => host,
      'SERVER' => tls.server(host),
      'PORT' => number('ONE_DB_PORT', 1..65_535) || 3306,
      'USER' => database_text('ONE_DB_USER'),
      'PASSWD' => password,
      'DB_NAME' => database_name,
      'CONNECTIONS' => number('ONE_DB_CONNECTIONS', 1..10_000)
    }
  end

  def database_host
    value = database_text('ONE_DB_HOST')
    host?(value) or refuse('ONE_DB_HOST', value, 'it must be a host name or an address; the port is ONE_DB_PORT')
    value
  end

  # oned writes it into a statement without quotes.
  def database_name
    value = database_text('ONE_DB_NAME')
    value.match?(/\A(?!\d+\z)[A-Za-z0-9_$]{1,64}\z/) or
      refuse('ONE_DB_NAME', value, 'it must be of letters, digits and _, 64 at most, and not of digits only')
    value
  end

  def database_text(variable)
    quotable(variable, required(variable, 'ONE_DB_BACKEND is mysql, which needs it'))
  end

  def password
    file = required('ONE_DB_PASSWORD_FILE', 'ONE_DB_BACKEND is mysql, which needs it')
    name = "ONE_DB_PASSWORD_FILE, #{file},"
    value = Source.text(file, name: name).chomp
    value.empty? and raise Refusal, "#{name} is empty: it must hold the password"
    value.include?("\n") and raise Refusal, "#{name} has several lines: it must hold the password and nothing else"
    # onedb, which migrates the database, makes a + of it.
    value.include?(' ') and raise Refusal, "#{name} has a space in it: OpenNebula's own tools cannot log in with such a password"
    quotable(name, value)
  end

  def quotable(name, value)
    OneConf.quotable?(value) or
      raise Refusal, "#{name} is not possible in oned.conf: it has a control character, \\\" or ]]>, or ends in \\"
    value
  end

  def number(variable, range)
    value = optional(variable) or return
    value.match?(/\A\d{1,9}\z/) && range.cover?(value.to_i) or
      refuse(variable, value, "it must be a number from #{range.begin} to #{range.end}")
    value.to_i
  end

  def host?(value)
    name?(value) || address?(value)
  end

  # As RFC 1123 has it; a last part of digits only is that of an address.
  def name?(value)
    value.length <= 253 && value.match?(/\A(#{LABEL}\.)*(?!\d+\z)#{LABEL}\z/i)
  end

  def address?(value)
    value.match?(/\A[0-9a-f.:]+\z/i) && IPAddr.new(value) && true
  rescue IPAddr::Error
    false
  end

  def url?(value)
    url = URI.parse(value)
    url.is_a?(URI::HTTP) && !url.host.to_s.empty? && OneConf.quotable?(value)
  rescue URI::InvalidURIError
    false
  end

  # The client's option files know every backslash as an escape.
  def option(text)
    "\"#{text.gsub(/["\\]/) { |c| "\\#{c}" }}\""
  end

  def refuse(variable, value, mend)
    raise Refusal, "#{variable} is #{value.inspect}; #{mend}"
  end
end
