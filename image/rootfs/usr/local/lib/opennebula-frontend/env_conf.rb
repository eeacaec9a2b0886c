# frozen_string_literal: true

require_relative 'refusal'

# A file of settings as systemd reads them: NAME=value or NAME="value", and comments.
class EnvConf
  LINE = /\A\s*([A-Za-z_][A-Za-z_0-9]*)=("[^"\\$`]*"|'[^']*'|[^\s"'\\$`]*)\s*\z/.freeze

  # What it may say: the names that the packaged one has.
  class Keys
    attr_reader :file, :names

    def initialize(conf)
      @file = File.basename(conf.file)
      @names = conf.values.keys
    end

    def check(conf)
      conf.lines.each do |name, line|
        names.include?(name) or
          raise Refusal.at(conf.file, line, "#{name} is not a name of #{file}#{Refusal.hint(name, names)}")
      end
    end
  end

  def self.known(conf, _format)
    Keys.new(conf)
  end

  # values are as written; lines tells where.
  attr_reader :file, :text, :values, :lines

  def initialize(file, text)
    @file = file
    @text = text
    @values = {}
    @lines = {}
    text.lines.each.with_index(1) { |line, number| parse(line, number) }
  end

  def has?(name)
    values.key?(name)
  end

  def put(name, value)
    @text = text.sub(/^\s*#{name}=.*$/) { "#{name}=#{value}" }
  end

  def merge(other, _known)
    other.values.each { |name, value| put(name, value) }
  end

  private

  def parse(line, number)
    return if line.match?(/\A\s*(#|;|\z)/)

    _, name, value = *LINE.match(line)
    name or raise Refusal.at(file, number, 'expected NAME="value" without $, ` and \\')
    lines.key?(name) and raise Refusal.at(file, number, "#{name} is given twice, first in line #{lines[name]}")
    values[name] = value
    lines[name] = number
  end
end
