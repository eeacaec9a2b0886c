# frozen_string_literal: true

# Brings the drivers on the volume (/var/lib/one/remotes) to those of this image,
# keeping what the administrator added or changed. It compares three states of each
# file: as it was packaged when it was installed, as it is, as it is packaged now.
#
#   ruby remotes.rb
#
# Where both sides changed a file the administrator's stays, and the packaged one is
# laid beside the folder, in remotes.packaged-X.Y.Z: drivers run whatever they find
# in some of their own folders.

require 'digest'
require 'fileutils'
require 'find'

HOME = ENV.fetch('ONE_HOME', '/var/lib/one')
PACKAGED = ENV.fetch('ONE_PACKAGED', '/usr/share/opennebula-frontend')

# A folder as path => fingerprint of each file, symbolic link and folder in it. Some
# drivers need folders that are empty.
class Tree
  def self.read(root)
    return {} unless File.directory?(root)

    Find.find(root).each_with_object({}) do |path, files|
      files[path.delete_prefix("#{root}/")] = fingerprint(path) unless path == root
    end
  end

  def self.fingerprint(path)
    return "link:#{File.readlink(path)}" if File.symlink?(path)
    return 'folder' if File.directory?(path)

    "#{Digest::SHA256.file(path).hexdigest}:#{File.executable?(path) ? 'x' : '-'}"
  end
end

# What was packaged when the volume's files were installed. Written last, so that an
# upgrade that breaks off is done again from where it began.
class Record
  attr_reader :version, :files

  def initialize(file)
    @file = file
    lines = File.exist?(file) ? File.readlines(file, chomp: true) : []
    @version = lines.shift
    @files = lines.to_h { |line| line.split('  ', 2).reverse }
  end

  def write(version, files)
    FileUtils.mkdir_p(File.dirname(@file))
    File.write("#{@file}.partial", [version, *files.map { |path, print| "#{print}  #{path}" }, ''].join("\n"))
    File.rename("#{@file}.partial", @file)
  end
end

# One upgrade of the folder.
class Upgrade
  def initialize(version, base)
    @version = version
    @base = base
    @new = Tree.read("#{PACKAGED}/remotes")
    @count = Hash.new(0)
    @kept = []
    @emptied = []
  end

  attr_reader :new

  def run
    @now = Tree.read("#{HOME}/remotes")
    (@base.keys | @new.keys).sort.each { |path| settle(path) }
    @emptied.reverse_each { |folder| remove_folder(folder) }
    report
  end

  private

  def settle(path)
    base, now, new = @base[path], @now[path], @new[path]
    return if now == new
    return replace(path) if now == base # as packaged, or not there in both
    return if base == new # only the administrator changed it

    @kept << path
    copy("#{PACKAGED}/remotes/#{path}", "#{aside}/#{path}") if new
  end

  def replace(path)
    target = "#{HOME}/remotes/#{path}"
    return @emptied << target if @new[path].nil? && @now[path] == 'folder'

    @count[what_happens(path)] += 1
    @new[path] ? copy("#{PACKAGED}/remotes/#{path}", target) : File.delete(target)
  end

  def what_happens(path)
    return 'removed' unless @new[path]

    @now[path] ? 'changed' : 'added'
  end

  # What the administrator put there stays.
  def remove_folder(folder)
    Dir.rmdir(folder) if Dir.empty?(folder)
  end

  # A copy that breaks off must not look like a file that somebody changed.
  def copy(source, target)
    return FileUtils.mkdir_p(target) if File.directory?(source) && !File.symlink?(source)

    FileUtils.mkdir_p(File.dirname(target))
    partial = "#{File.dirname(target)}/.#{File.basename(target)}.partial"
    FileUtils.rm_f(partial)
    FileUtils.copy_entry(source, partial)
    File.chmod(File.executable?(source) ? 0o755 : 0o644, partial) unless File.symlink?(partial)
    File.rename(partial, target)
  end

  def aside
    "#{HOME}/remotes.packaged-#{@version}"
  end

  def report
    counts = @count.sort.map { |what, n| "#{n} #{what}" }
    puts "remotes: drivers of OpenNebula #{@version}: #{counts.empty? ? 'nothing to change' : counts.join(', ')}"
    return if @kept.empty?

    puts "remotes: kept #{@kept.size} of your own where the packaged file changed, too " \
         "(#{@kept.first(5).join(', ')}#{', …' if @kept.size > 5}); compare with #{aside}"
  end
end

# Files that are there and that nothing is known of come from another installation:
# they cannot be told from the administrator's, so all of them are set aside.
def set_aside_unknown(record)
  return if record.version || Dir.empty?("#{HOME}/remotes")

  # Another time, where an earlier start was broken off before it had a record.
  base = "#{HOME}/remotes.before-#{File.read("#{PACKAGED}/version").chomp}"
  old = [base, *(2..9).map { |n| "#{base}-#{n}" }].find { |path| !File.exist?(path) } or raise Errno::EEXIST, base

  FileUtils.mkdir_p(old)
  Dir.children("#{HOME}/remotes").each { |name| File.rename("#{HOME}/remotes/#{name}", "#{old}/#{name}") }
  puts "remotes: the volume has drivers that this image did not install: moved to #{old}; copy from there what is yours"
end

begin
  version = File.read("#{PACKAGED}/version").chomp
  record = Record.new("#{HOME}/.opennebula-frontend/remotes")
  FileUtils.mkdir_p("#{HOME}/remotes")
  set_aside_unknown(record)
  upgrade = Upgrade.new(version, record.files)
  if record.version != version || record.files != upgrade.new
    upgrade.run
    # For the role timers. Of a new volume no host has drivers yet.
    FileUtils.touch("#{HOME}/.opennebula-frontend/drivers-changed") if record.version
    record.write(version, upgrade.new)
  end
rescue SystemCallError => e
  warn "remotes: #{e.message}: the volume must be writable and have space; nothing of yours was lost, start again"
  exit 1
end
