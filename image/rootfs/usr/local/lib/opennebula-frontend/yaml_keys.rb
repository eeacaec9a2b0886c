# frozen_string_literal: true

require_relative 'yaml_conf'

# What a configuration file in YAML may say, learned from the packaged one: from what
# it sets, from keys in its comments that have an example value, and from a few lines
# more for what OpenNebula reads and the package shows nowhere.
class YamlKeys
  # The kinds of value that a key has been seen with, and the keys within it.
  Known = Struct.new(:kinds, :keys)

  KINDS = {
    map: 'keys with their values', list: 'a list', text: 'a text', integer: 'a whole number',
    number: 'a number', boolean: 'true or false', empty: 'empty'
  }.freeze

  def initialize(packaged, format)
    @name = File.basename(packaged.file)
    @format = format
    @known = {}
    learn(@known, packaged.root)
    learn(@known, YamlConf.new('', format.more).root)
    examples(packaged).each { |conf| learn(@known, conf.root) }
  end

  # Refuses a file that says something else, or one thing twice.
  def check(conf)
    return unless conf.root

    conf.root.each { |node| check_plain(conf, node) }
    check_mapping(conf, conf.root, @known, [])
  end

  private

  def learn(known, mapping)
    mapping && YamlConf.pairs(mapping).each do |key, value|
      entry = known[key.value] ||= Known.new([], {})
      entry.kinds |= [kind(value)]
      learn(entry.keys, value) if value.is_a?(Psych::Nodes::Mapping)
    end
  end

  # A value of several words, without quotes, is prose.
  def examples(packaged)
    packaged.text.scan(/^# ?(:?\w+:[ \t]+(?:"[^"\n]*"|'[^'\n]*'|[^\s"']+))[ \t]*$/).map do |(text)|
      YamlConf.new('', text)
    end
  end

  def kind(node)
    return :map if node.is_a?(Psych::Nodes::Mapping)
    return :list if node.is_a?(Psych::Nodes::Sequence)
    return :text unless node.plain

    case node.value
    when '', '~', 'null', 'Null', 'NULL' then :empty
    when @format.boolean then :boolean
    when /\A[-+]?\d[\d_]*\z/ then :integer
    when /\A[-+]?(\d[\d_]*)?\.\d+\z/ then :number
    else :text
    end
  end

  # Not every reader of these files knows them.
  def check_plain(conf, node)
    node.is_a?(Psych::Nodes::Alias) || (node.respond_to?(:anchor) && node.anchor) and
      refuse(conf, node, 'anchors and aliases (& and *) are not taken here')
    node.respond_to?(:tag) && node.tag and refuse(conf, node, "the tag #{node.tag} is not taken here")
    symbol = node.is_a?(Psych::Nodes::Sequence) && node.children.find { |child| symbol?(child) }
    symbol and refuse(conf, symbol, "#{symbol.value} is a symbol, which no list has; write it in quotes")
  end

  def symbol?(node)
    node.is_a?(Psych::Nodes::Scalar) && node.plain && node.value.start_with?(':')
  end

  def check_mapping(conf, mapping, known, path)
    first = {}
    YamlConf.pairs(mapping).each do |key, value|
      check_once(conf, key, first, path)
      entry = known[key.value] || free?(key, path) or refuse_key(conf, key, known, path)
      check_value(conf, key, value, entry, [*path, key.value]) if entry.is_a?(Known)
    end
  end

  def check_once(conf, key, first, path)
    key.is_a?(Psych::Nodes::Scalar) or refuse(conf, key, 'a key must be a single word')
    name = [*path, key.value].join('/')
    first.key?(key.value) and refuse(conf, key, "#{name} is given twice, first in line #{first[key.value]}")
    first[key.value] = key.start_line + 1
  end

  # There, keys are the administrator's own.
  def free?(key, path)
    @format.free.include?(path.first) && !symbol?(key)
  end

  def check_value(conf, key, value, known, path)
    found = kind(value)
    accepts?(known.kinds, found) or
      refuse(conf, key, "#{path.join('/')} must be #{wanted(known.kinds)}, " \
                        "not #{KINDS[found]}#{mend(known.kinds, found)}")
    check_mapping(conf, value, known.keys, path) if found == :map
  end

  def wanted(kinds)
    kinds -= [:integer] if kinds.include?(:number)
    kinds.map { |kind| KINDS[kind] }.join(' or ')
  end

  def mend(kinds, found)
    kinds.include?(:text) && %i[integer number boolean].include?(found) ? '; write it in quotes' : ''
  end

  # What the package leaves empty can be anything but a mapping of unknown keys.
  def accepts?(kinds, found)
    kinds.include?(found) ||
      (kinds.include?(:empty) && found != :map) ||
      (kinds.include?(:number) && found == :integer)
  end

  def refuse_key(conf, key, known, path)
    name = [*path, key.value].join('/')
    other = key.value.start_with?(':') ? key.value.delete_prefix(':') : ":#{key.value}"
    known.key?(other) and refuse(conf, key, "#{name} is not a key of #{@name}; write it as #{other}:")
    refuse(conf, key, "#{name} is not a key of #{@name}#{Refusal.hint(key.value, known.keys)}")
  end

  def refuse(conf, node, sentence)
    raise Refusal.at(conf.file, node.start_line + 1, sentence)
  end
end
