# frozen_string_literal: true

require 'strscan'
require_relative 'refusal'

# A file in the syntax of oned.conf: KEY = value, KEY = [ NAME = value, … ] and
# comments. Edits change a value's own characters and nothing around them. As for
# oned, the case of keys and names does not matter.
class OneConf
  # A key, or a pair within a section: its name in capitals, its value as written
  # or, of a section, its pairs; where all of it (from, upto) and where its value
  # (value_from, upto) stand, in bytes.
  Entry = Struct.new(:name, :value, :pairs, :from, :value_from, :upto, keyword_init: true) do
    # What oned makes of the value.
    def plain
      value.start_with?('"') ? value[1...-1].gsub('\"', '"') : value
    end

    def pair(name)
      pairs&.find { |pair| pair.name == name }
    end
  end

  # The text of a value that oned reads as this very one. Its parser knows one
  # escape, \", and takes every other backslash as it is.
  def self.quoted(value)
    return value.to_s if value.is_a?(Integer)

    "\"#{value.gsub('"') { '\"' }}\""
  end

  def self.quotable?(value)
    !value.match?(/[[:cntrl:]]|\\"|\\\z|\]\]>/)
  end

  # What it may say: its own keys, those of its comments' examples, and more.
  def self.known(conf, format)
    OneKeys.new(conf, format.more)
  end

  attr_reader :file, :text

  def initialize(file, text)
    @file = file
    @text = text.end_with?("\n") || text.empty? ? text.dup : "#{text}\n"
    entries # a file that does not parse is refused at once
  end

  def entries
    @entries ||= parse(StringScanner.new(text))
  end

  def source(entry)
    text.byteslice(entry.from...entry.upto)
  end

  def line(entry)
    text.byteslice(0, entry.from).count("\n") + 1
  end

  def find(key, name = nil)
    entry = entries.find { |e| e.name == key }
    name ? entry&.pair(name) : entry
  end

  # Gives a key, or a pair of a section, this value: put('DB', 'PORT', 3306).
  def put(key, name = nil, value)
    return put_value(key, find(key), OneConf.quoted(value)) unless name

    section = find(key)
    return append("#{key} = [ #{name} = #{OneConf.quoted(value)} ]") unless section

    section.pairs or raise Refusal.at(file, line(section), "#{key} must be a section: #{key} = [ … ]")
    put_pair(section, name, OneConf.quoted(value))
  end

  # Takes over what another file says: single values replace, sections are merged
  # pair by pair, and lists gain the values that they do not have.
  def merge(other, known)
    other.entries.each do |entry|
      if known.list?(entry.name) then put_item(entry, other.source(entry))
      elsif entry.pairs then put_section(entry, other.source(entry), known)
      else put_value(entry.name, find(entry.name), entry.value)
      end
    end
  end

  private

  BLANK = /(?:\s|#[^\n]*)+/.freeze
  NAME = /[A-Za-z_0-9]+/.freeze
  VALUE = /"(?:\\"|[^"])*"|[^\s"\[\],#=]+/.freeze

  def put_value(key, entry, value)
    return append("#{key} = #{value}") unless entry

    replace(entry.value_from...entry.upto, value) unless entry.value == value
  end

  def put_item(entry, source)
    same = entries.select { |own| own.name == entry.name }
    return append(source) if same.empty?

    replace(same.last.upto...same.last.upto, "\n#{source}") if same.none? { |own| own.plain == entry.plain }
  end

  def put_section(entry, source, known)
    identity = known.identity(entry)
    own = -> { entries.find { |e| e.pairs && known.identity(e) == identity } }
    return append(source) unless own.call

    entry.pairs.each { |pair| put_pair(own.call, pair.name, pair.value) }
  end

  def put_pair(section, name, value)
    pair = section.pair(name)
    if pair then put_value(name, pair, value)
    elsif section.pairs.empty? then replace(section.value_from...section.upto, "[ #{name} = #{value} ]")
    else
      last = section.pairs.last.upto
      replace(last...last, ",\n    #{name} = #{value}")
    end
  end

  def append(source)
    replace(text.bytesize...text.bytesize, "\n#{source}\n")
  end

  def replace(range, new)
    @text = text.byteslice(0, range.begin) + new + text.byteslice(range.end..)
    @entries = nil
  end

  def parse(scanner)
    found = []
    loop do
      scanner.skip(BLANK)
      return found if scanner.eos?

      found << entry(scanner)
    end
  end

  def entry(scanner)
    entry = assignment(scanner)
    if scanner.skip(/\[/)
      entry.pairs = pairs(scanner)
    else
      entry.value = value(scanner, entry.name)
    end
    entry.upto = scanner.pos
    entry
  end

  def assignment(scanner)
    from = scanner.pos
    name = scanner.scan(NAME) or refuse(scanner, 'a name')
    scanner.skip(/[ \t]*=[ \t]*/) or refuse(scanner, "\"=\" after #{name}")
    Entry.new(name: name.upcase, from: from, value_from: scanner.pos)
  end

  # oned wants one comma between two pairs, and none after the last.
  def pairs(scanner)
    found = []
    scanner.skip(BLANK)
    return found if scanner.skip(/\]/)

    loop do
      found << pair(scanner)
      scanner.skip(BLANK)
      return found if scanner.skip(/\]/)

      scanner.skip(/,/) or refuse(scanner, 'a comma or "]"')
      scanner.skip(BLANK)
    end
  end

  def pair(scanner)
    pair = assignment(scanner)
    pair.value = value(scanner, pair.name)
    pair.upto = scanner.pos
    pair
  end

  # oned gives up at the mark that ends an XML text, wherever a value has it.
  def value(scanner, name)
    value = scanner.scan(VALUE) or refuse(scanner, "a value for #{name} (\"\" for none)")
    value.include?(']]>') and refuse(scanner, 'a value without "]]>"')
    value
  end

  def refuse(scanner, expected)
    rest = scanner.rest.lines.first
    found = rest ? rest.strip[0, 20].inspect : 'the end of the file'
    raise Refusal.at(file, text.byteslice(0, scanner.pos).count("\n") + 1, "expected #{expected}, found #{found}")
  end
end
