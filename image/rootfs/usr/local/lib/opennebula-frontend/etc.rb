# frozen_string_literal: true

require 'fileutils'
require_relative 'source'

# The folder that OpenNebula reads. New content is kept in memory and written at the
# end, all of it or nothing.
class Etc
  MODE = 0o640 # passwords stand in several of them

  attr_reader :folder

  def initialize(folder)
    File.directory?(folder) or raise Refusal, "#{folder} is not a folder: the packaged configuration must be in it"
    @folder = folder
    @new = {}
  end

  def file?(path)
    @new.key?(path) || File.file?(at(path))
  end

  def folder?(path)
    File.directory?(at(path))
  end

  # The names in a folder of it.
  def names(path)
    Dir.children(at(path))
  end

  def at(path)
    File.join(folder, path)
  end

  def text(path)
    @new.key?(path) ? @new[path].first : Source.text(at(path))
  end

  def put(path, content, mode = MODE)
    @new[path] = [content, mode]
  end

  def write
    @new.each { |path, (content, mode)| write_aside(path, content, mode) }
    @new.each_key { |path| File.rename(aside(path), at(path)) }
  rescue SystemCallError => e
    @new.each_key { |path| FileUtils.rm_f(aside(path)) }
    raise Refusal, "#{folder} cannot be written: #{e.message}"
  end

  private

  def aside(path)
    File.join(folder, File.dirname(path), ".#{File.basename(path)}.new")
  end

  def write_aside(path, content, mode)
    FileUtils.mkdir_p(File.dirname(at(path)))
    File.open(aside(path), File::WRONLY | File::CREAT | File::TRUNC, mode) do |file|
      file.chmod(mode)
      file.write(content)
    end
  end
end
