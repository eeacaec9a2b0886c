# frozen_string_literal: true

require_relative 'one_conf'

# What a file in the syntax of oned.conf may say, learned from the packaged one:
# from what it sets, from the examples in its comments, and from a few lines more
# for what OpenNebula reads and the package shows nowhere.
class OneKeys
  # Of these, a file can have several values: a further one adds to the others.
  LIST = /_ATTR(IBUTE)?\z/.freeze
  # Drivers, and the drivers' behaviour, take pairs that no example shows.
  DRIVER = /_MAD(_CONF)?\z/.freeze

  KINDS = {
    integer: ['a whole number', /\A-?\d+\z/],
    number: ['a number', /\A-?\d+(\.\d+)?\z/],
    boolean: ['YES or NO', /\A(yes|no)\z/i],
    text: ['a text', /\A/]
  }.freeze

  def initialize(packaged, more)
    @name = File.basename(packaged.file)
    @sections = Hash.new { |h, k| h[k] = Hash.new { |pairs, name| pairs[name] = [] } }
    @values = Hash.new { |h, k| h[k] = [] }
    learn(packaged)
    learn(OneConf.new('', more))
    examples(packaged).each { |conf| learn(conf) }
  end

  def list?(key)
    LIST.match?(key)
  end

  # What tells apart several sections of one key, such as VM_MAD.
  def identity(entry)
    [entry.name, named?(entry.name) ? entry.pair('NAME')&.plain : nil]
  end

  # Refuses a file that says something else, or one thing twice.
  def check(conf)
    conf.entries.each { |entry| check_entry(conf, entry) }
    check_once(conf, conf.entries.reject { |e| list?(e.name) }) { |e| identity(e) }
  end

  private

  def learn(conf)
    conf.entries.each do |entry|
      next @values[entry.name] << entry.plain unless entry.pairs

      (entry.pairs + commented_pairs(conf.source(entry))).each do |pair|
        @sections[entry.name][pair.name] << pair.plain
      end
    end
  end

  def commented_pairs(source)
    source.scan(/^\s*#\s*([A-Z_0-9]+\s*=\s*(?:"[^"]*"|[^\s"\[\],#=]+))/i).flat_map do |(text)|
      OneConf.new('', text.gsub(/\s*=\s*/, ' = ')).entries
    end
  end

  # Prose is indented, or has no "=" after its first word.
  def examples(packaged)
    lines = packaged.text.lines
    starts = lines.each_index.select { |i| lines[i].match?(/\A# ?[A-Z_0-9]+[ \t]*=/i) }
    starts.filter_map do |i|
      block = lines[i..].take_while { |line| line.start_with?('#') }
      example(block.map { |line| line.delete_prefix('#') }.join)
    end
  end

  # The entry that a comment begins with, whatever follows it there.
  def example(text)
    first = text.lines.first
    return parsed(first) unless first.match?(/=\s*\[/)

    ends = text.enum_for(:scan, /\]/).map { Regexp.last_match.end(0) }
    ends.each { |upto| (conf = parsed(text[0...upto])) and return conf }
    nil
  end

  def parsed(text)
    OneConf.new('', text)
  rescue Refusal
    nil
  end

  def named?(key)
    @sections.key?(key) && @sections[key].key?('NAME')
  end

  def check_entry(conf, entry)
    key = entry.name
    known = @sections.keys | @values.keys
    known.include?(key) or refuse(conf, entry, "#{key} is not a key of #{@name}#{Refusal.hint(key, known)}")
    return check_section(conf, entry) if entry.pairs

    @values.key?(key) or refuse(conf, entry, "#{key} must be a section, #{key} = [ … ], not a single value")
    check_kind(conf, entry, key, @values[key])
  end

  def check_section(conf, entry)
    key = entry.name
    @sections.key?(key) or refuse(conf, entry, "#{key} must be a single value, not a section")
    named?(key) && !entry.pair('NAME') and
      refuse(conf, entry, "#{key} has no NAME, which tells it from other sections #{key}")
    entry.pairs.each { |pair| check_pair(conf, key, pair) }
    check_once(conf, entry.pairs, &:name)
  end

  def check_pair(conf, key, pair)
    known = @sections[key].keys
    unless known.include?(pair.name)
      return if DRIVER.match?(key)

      refuse(conf, pair, "#{pair.name} is not known in #{key}#{Refusal.hint(pair.name, known)}")
    end
    check_kind(conf, pair, "#{key}/#{pair.name}", @sections[key][pair.name])
  end

  def check_kind(conf, entry, path, values)
    what, form = KINDS.find { |_, (_, form)| values.all? { |v| form.match?(v) } }.last
    form.match?(entry.plain) or refuse(conf, entry, "#{path} must be #{what}, not #{entry.value}")
  end

  def check_once(conf, entries)
    first = {}
    entries.each do |entry|
      id = yield(entry)
      first.key?(id) and
        refuse(conf, entry, "#{Array(id).compact.join(' ')} is given twice, first in line #{conf.line(first[id])}")
      first[id] = entry
    end
  end

  def refuse(conf, entry, sentence)
    raise Refusal.at(conf.file, conf.line(entry), sentence)
  end
end
