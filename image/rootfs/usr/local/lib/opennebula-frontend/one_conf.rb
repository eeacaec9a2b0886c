# frozen_string_literal: true

require 'strscan'

# A file in the syntax of oned.conf: KEY = value, KEY = [ NAME = value, … ] and
# comments. Edits change the value's own characters and nothing around them.
class OneConf
  class Error < StandardError; end

  # name, the text of the value with its quotes, or the pairs of a section;
  # where the whole entry (from, upto) and its value (value_from) stand.
  Entry = Struct.new(:name, :value, :pairs, :line, :from, :value_from, :upto, keyword_init: true) do
    # What tells apart several sections of one name, such as VM_MAD.
    def identity
      id = pairs&.find { |pair| pair.name == 'NAME' }
      [name, id && id.value.delete('"')]
    end
  end

  attr_reader :file, :text

  def self.read(file)
    new(file, File.read(file, encoding: Encoding::UTF_8))
  end

  def initialize(file, text)
    @file = file
    @text = text.dup
    entries # a file that does not parse is refused at once
  end

  def write
    File.write(file, text)
  end

  # Changes a key that the file has: set('PORT', value: '2633') or
  # set('NETWORK', 'MONITOR_ADDRESS', value: quoted).
  def set(*path, value:)
    entry = find(*path) or raise Error, "#{file} has no #{path.join('/')}; it cannot be set to #{value}"
    text[entry.value_from...entry.upto] = value
  end

  # Changes a key, or adds it where the package ships it commented out.
  def put(key, value:)
    return set(key, value: value) if find(key)

    known?(key) or raise Error, "#{file} does not know #{key}"
    text << "\n#{key} = #{value}\n"
  end

  # Takes over every entry of another file: replaces the one of the same name
  # (and, where there are several, the same NAME), adds what is commented out.
  def merge(other)
    other.entries.each do |entry|
      known?(entry.name) or
        raise Error, "#{other.file}, line #{entry.line}: #{entry.name} is not a key of #{file}"
      replacement = other.text[entry.from...entry.upto]
      same = entries.find { |own| own.identity == entry.identity }
      if same
        text[same.from...same.upto] = replacement
      else
        text << "\n#{replacement}\n"
      end
    end
  end

  def find(key, name = nil)
    entry = entries.find { |e| e.name == key }
    return entry unless entry && name

    entry.pairs&.find { |pair| pair.name.casecmp?(name) }
  end

  def entries
    scanner = StringScanner.new(text)
    found = []
    loop do
      skip_blank(scanner)
      return found if scanner.eos?

      found << entry(scanner)
    end
  end

  private

  BLANK = /(?:\s|#[^\n]*)+/.freeze
  NAME = /[A-Za-z_][A-Za-z_0-9]*/.freeze
  VALUE = /"(?:\\.|[^"\\])*"|[^\s"\[\],#]+/.freeze

  # Keys stand in the file, or in a comment as an example.
  def known?(key)
    text.match?(/^\s*#?\s*#{Regexp.escape(key)}\s*=/)
  end

  def skip_blank(scanner)
    scanner.skip(BLANK)
  end

  def entry(scanner)
    entry = assignment(scanner)
    if scanner.skip(/\[/)
      entry.pairs = pairs(scanner)
    else
      entry.value = value(scanner)
    end
    entry.upto = scanner.charpos
    entry
  end

  def assignment(scanner)
    from = scanner.charpos
    line = line_at(scanner)
    name = scanner.scan(NAME) or refuse(scanner, 'a name')
    scanner.skip(/[ \t]*=[ \t]*/) or refuse(scanner, "\"=\" after #{name}")
    Entry.new(name: name, line: line, from: from, value_from: scanner.charpos)
  end

  def pairs(scanner)
    found = []
    loop do
      scanner.skip(/(?:,|#{BLANK})+/)
      return found if scanner.skip(/\]/)

      pair = assignment(scanner)
      pair.value = value(scanner)
      pair.upto = scanner.charpos
      found << pair
    end
  end

  def value(scanner)
    scanner.scan(VALUE) or refuse(scanner, 'a value')
  end

  def line_at(scanner)
    scanner.string.byteslice(0, scanner.pos).count("\n") + 1
  end

  def refuse(scanner, expected)
    raise Error, "#{file}, line #{line_at(scanner)}: expected #{expected}, found " \
                 "#{scanner.rest[0, 20].lines.first.inspect}"
  end
end
