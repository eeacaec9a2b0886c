# frozen_string_literal: true

require 'fileutils'
require_relative 'key_scan'
require_relative 'known_hosts'
require_relative 'ssh_config'

# What the front-end's SSH client knows of the hosts: their keys, and where they are.
class Ssh
  # How many hosts are asked for their keys at a time.
  AT_ONCE = 16

  def initialize(home, wait, report)
    @folder = "#{home}/.ssh"
    @lock = "#{home}/.opennebula-frontend/ssh.lock"
    @scan = KeyScan.new(wait)
    @report = report
  end

  # Before OpenNebula gets the hosts: its drivers log in at once.
  def learn(hosts)
    scans = scan(hosts)
    change do |known, config|
      hosts.each do |host|
        config.put(host.name, host.address, host.port)
        host.host_key ? given(known, host, scans[host]) : scanned(known, host, scans[host])
      end
    end
  end

  # Forgets the hosts that are no more.
  def keep(names)
    change do |known, config|
      known.keep(names)
      config.keep(names)
    end
  end

  private

  # The role bootstrap writes these files, too.
  def change
    FileUtils.mkdir_p(@folder, mode: 0o700)
    File.open(@lock, File::RDWR | File::CREAT, 0o600) do |lock|
      lock.flock(File::LOCK_EX)
      known = KnownHosts.new("#{@folder}/known_hosts")
      config = SshConfig.new(@folder)
      yield known, config
      known.save
      config.save
    end
  end

  # Of the type that is known, so that they can be compared.
  def scan(hosts)
    known = KnownHosts.new("#{@folder}/known_hosts")
    hosts.each_slice(AT_ONCE).flat_map do |some|
      some.map { |host| Thread.new { [host, @scan.ask(host, types(known, host))] } }.map(&:value)
    end.to_h
  end

  def types(known, host)
    (host.host_key ? [host.host_key] : known.keys(host.name)).map(&:type)
  end

  # A key that is given replaces one that was collected, but not the administrator's.
  def given(known, host, scan)
    contradict(host, scan)
    return if known.keys(host.name) == [host.host_key]

    other = known.others(host.name)
    if other.include?(host.host_key)
      known.forget(host.name)
    elsif other.any? { |key| key.type == host.host_key.type }
      @report.failed("known_hosts has another key of #{host.name}, which somebody else wrote: " \
                     "remove it (ssh-keygen -R #{host.name}), or declare that one")
    else
      known.put(host.name, host.host_key)
      @report.changed("known_hosts: the declared key of #{host.name}, #{host.host_key.fingerprint}")
    end
  end

  # The drivers will not talk to the host, and do not say why.
  def contradict(host, scan)
    return if scan.keys.empty? || scan.keys.include?(host.host_key)

    @report.failed("the host key of #{host.name} is #{scan.keys.first.fingerprint}, and hostKey declares " \
                   "#{host.host_key.fingerprint}: correct it, or look for an attacker if it was right")
  end

  def scanned(known, host, scan)
    keys = known.keys(host.name)
    if scan.keys.empty?
      unanswered(host, scan.reason, keys.any?)
    elsif keys.empty?
      known.put(host.name, scan.keys.first)
      @report.changed("known_hosts: the collected key of #{host.name}, #{scan.keys.first.fingerprint}")
    elsif (keys & scan.keys).empty?
      @report.failed("the host key of #{host.name} changed: it is #{scan.keys.first.fingerprint} now, " \
                     "and #{keys.first.fingerprint} is known; give hostKey where the machine was reinstalled, " \
                     'and look for an attacker where it was not')
    end
  end

  def unanswered(host, reason, known)
    text = "#{host.name} does not answer SSH at #{host.address}, port #{host.port}#{": #{reason}" unless reason.empty?}"
    return @report.say("#{text}; its key is known already") if known

    @report.failed("#{text}; its host key is not known yet, so that drivers take the first that they meet: " \
                   'start it, or give hostKey')
  end
end
