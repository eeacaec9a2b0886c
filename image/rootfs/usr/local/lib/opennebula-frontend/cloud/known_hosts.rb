# frozen_string_literal: true

require 'open3'
require_relative 'file_swap'
require_relative 'host_key'

# The file known_hosts, in which lines of ours end with a mark. Lines of others, such
# as the role bootstrap's and the administrator's, are read, and left.
class KnownHosts
  MARK = ' opennebula-cloud'

  def initialize(file)
    @file = file
    @lines = File.exist?(file) ? File.readlines(file, chomp: true) : []
    @before = @lines.dup
  end

  # All keys of a name, whoever wrote them.
  def keys(name)
    ours(name).map { |line| key(line) }.compact + others(name)
  end

  # Those of lines that are not ours. Names may be hashed, which OpenSSH looks up.
  def others(name)
    return [] unless File.exist?(@file)

    out, = Open3.capture2('ssh-keygen', '-F', name, '-f', @file)
    out.lines(chomp: true).grep_v(/\A[#@]|#{MARK}\z/).filter_map { |line| key(line) }
  end

  def put(name, key)
    forget(name)
    @lines << "#{name} #{key}#{MARK}"
  end

  def forget(name)
    @lines -= ours(name)
  end

  # Forgets all of ours but those of these names.
  def keep(names)
    @lines.reject! { |line| line.end_with?(MARK) && !names.include?(line.split.first) }
  end

  def save
    FileSwap.write(@file, @lines.map { |line| "#{line}\n" }.join) unless @lines == @before
  end

  private

  def ours(name)
    @lines.select { |line| line.end_with?(MARK) && line.split.first == name }
  end

  def key(line)
    HostKey.parse(line.split(' ', 2).last)
  end
end
