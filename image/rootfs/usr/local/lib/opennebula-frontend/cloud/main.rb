# frozen_string_literal: true

# Brings what the cloud file declares into OpenNebula. The whole file is checked, and
# held against what OpenNebula has, before anything changes. What is missing is
# created; of what is there, the attributes that the file declares are updated. What
# this tool created carries MANAGED_BY, and it deletes hosts only, of these, where
# nothing runs on them.
#
# What does not work for one thing is said, and the others are done all the same; the
# exit status then is 1, so that a Job tries again.

require 'fileutils'
require 'uri'
require_relative '../source'
require_relative 'declaration'
require_relative 'leftovers'
require_relative 'opennebula'
require_relative 'report'
require_relative 'ssh'

HOME = ENV.fetch('ONE_HOME', '/var/lib/one')
STATE = "#{HOME}/.opennebula-frontend"

# Set to nothing is not set.
def setting(name, default = nil)
  value = ENV[name].to_s
  return value unless value.empty?

  default or raise Refusal, "#{name} is not set: it gives the file with oneadmin's password"
end

def endpoint
  url = setting('ONE_XMLRPC', 'http://localhost:2633/RPC2')
  uri = URI.parse(url)
  return url if uri.is_a?(URI::HTTP) && !uri.host.to_s.empty?

  raise URI::InvalidURIError
rescue URI::InvalidURIError
  raise Refusal, "ONE_XMLRPC is #{url.inspect}; it must be the URL of oned's API, such as http://localhost:2633/RPC2"
end

def session
  file = setting('ONEADMIN_PASSWORD_FILE')
  password = Source.text(file, name: "ONEADMIN_PASSWORD_FILE, #{file},").chomp
  password.empty? and raise Refusal, "ONEADMIN_PASSWORD_FILE, #{file}, is empty: it must hold oneadmin's password"
  "oneadmin:#{password}"
end

# Two at once would create things twice.
def alone(report)
  FileUtils.mkdir_p(STATE)
  File.open("#{STATE}/cloud.lock", File::RDWR | File::CREAT, 0o600) do |lock|
    unless lock.flock(File::LOCK_EX | File::LOCK_NB)
      report.say('another run brings a file into this OpenNebula: waiting for its end')
      lock.flock(File::LOCK_EX)
    end
    yield
  end
end

def bring(declaration, one, report)
  declaration.check(one)
  ssh = Ssh.new(HOME, Integer(ENV.fetch('ONE_SSH_SCAN_WAIT', '5'), 10), report)
  ssh.learn(declaration.hosts)
  declaration.items.each { |item| report.attempt(item.title) { item.apply(one, report) } }
  leftovers = Leftovers.new(declaration, one, report)
  leftovers.settle
  ssh.keep(leftovers.hosts)
end

begin
  report = Report.new
  one = OpenNebula.new(endpoint, session)
  declaration = Declaration.read(setting('ONE_CLOUD_FILE', '/etc/opennebula-cloud/cloud.yaml'))
  one.wait(Integer(ENV.fetch('ONE_CLOUD_WAIT', '600'), 10), report)
  alone(report) { bring(declaration, one, report) }
  exit report.finish
rescue Refusal, OpenNebula::Refused, OpenNebula::Unreachable, SystemCallError => e
  warn "cloud: #{e.message}"
  exit 1
end
