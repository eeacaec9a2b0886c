# frozen_string_literal: true

require_relative 'refusal'

# Reads what a deployment mounts, or says in one sentence why that is not possible.
module Source
  module_function

  # A text in UTF-8, with the line ends of this system.
  def text(file, name: file)
    content = bytes(file, name: name).force_encoding(Encoding::UTF_8)
    content.valid_encoding? or raise Refusal, "#{name} is not a text in UTF-8"
    content.include?("\0") and raise Refusal, "#{name} is not a text: it has bytes of value zero"
    content.delete_prefix("\uFEFF").gsub("\r\n", "\n")
  end

  def bytes(file, name: file)
    File.stat(file).directory? and raise Refusal, "#{name} is a folder; it must be a file"
    File.file?(file) or raise Refusal, "#{name} is not a plain file"
    File.binread(file)
  rescue SystemCallError => e
    raise Refusal, "#{name} cannot be read: #{e.class.new.message}"
  end
end
