# frozen_string_literal: true

require 'json'
require 'psych'
require_relative 'refusal'

# A configuration file in YAML. Edits replace a key's value and leave comments and
# every other value as they are written: what is true, or a number, differs between
# the readers of these files.
class YamlConf
  def self.known(conf, format)
    YamlKeys.new(conf, format)
  end

  # The keys and values of a mapping.
  def self.pairs(mapping)
    mapping.children.each_slice(2)
  end

  def self.pair(mapping, key)
    pairs(mapping).find { |k, _| k.value == key }
  end

  # root is the mapping that the file is, or nil if it says nothing.
  attr_reader :file, :text, :root

  def initialize(file, text)
    @file = file
    read(text)
  end

  # Changes a value that the file must have, such as put(':host', '0.0.0.0'), or
  # put(':server', ':bind', '0.0.0.0') within a mapping.
  def put(*path, value)
    old = at(*path) or raise Refusal, "#{file} has no #{path.join('/')}; it cannot be set to #{value}"
    return if old.is_a?(Psych::Nodes::Scalar) && old.value == value

    nested = path.each_with_index.map { |key, depth| "#{' ' * depth}#{key}:" }.join("\n")
    take(YamlConf.new('', "#{nested} #{value}"))
  end

  def has?(*path)
    !at(*path).nil?
  end

  # Takes over what another file says: mappings are merged key by key, everything
  # else replaces what is there.
  def merge(other, _known)
    take(other) if other.root
  end

  # A value as it is written, in one line.
  def flow(node)
    case node
    when Psych::Nodes::Mapping
      "{#{YamlConf.pairs(node).map { |k, v| "#{flow(k)}: #{flow(v)}" }.join(', ')}}"
    when Psych::Nodes::Sequence then "[#{node.children.map { |child| flow(child) }.join(', ')}]"
    when Psych::Nodes::Scalar then scalar(node)
    else written(node)
    end
  end

  private

  def at(*path)
    path.inject(root) do |node, key|
      node.is_a?(Psych::Nodes::Mapping) ? YamlConf.pair(node, key)&.last : nil
    end
  end

  # New text for a part of the old one.
  Edit = Struct.new(:range, :text)

  def read(text)
    @text = text
    @starts = text.lines.inject([0]) { |starts, line| starts << starts.last + line.length }
    @root = parse
  end

  def parse
    documents = Psych.parse_stream(text).children
    documents.size > 1 and raise Refusal, "#{file} holds several documents; it must be one"
    root = documents.first&.root
    return if root.nil? || (root.is_a?(Psych::Nodes::Scalar) && root.value.empty?)

    root.is_a?(Psych::Nodes::Mapping) or
      raise Refusal.at(file, root.start_line + 1, 'expected keys with their values, as in KEY: value')
    root
  rescue Psych::SyntaxError => e
    raise Refusal.at(file, e.line, "this is not YAML: #{[e.problem, e.context].compact.join(' ')}")
  end

  def scalar(node)
    text = written(node)
    return 'null' if text.empty?
    return text unless text.include?("\n") || (node.plain && text.match?(/[,\[\]{}]/))

    JSON.generate(node.value)
  end

  def written(node)
    text[first(node)...last(node)]
  end

  def first(node)
    @starts[node.start_line] + node.start_column
  end

  # Where a value's own characters end; a block's node reaches to what follows it.
  def last(node)
    block = node.respond_to?(:style) && node.style == Psych::Nodes::Mapping::BLOCK && node.children&.any?
    block ? last(node.children.last) : @starts[node.end_line] + node.end_column
  end

  def take(other)
    return read(other.text) unless root

    edits = edits_of(root, other.root, other)
    upto = 0
    parts = edits.sort_by.with_index { |edit, i| [edit.range.begin, i] }.flat_map do |edit|
      kept = text[upto...edit.range.begin]
      upto = edit.range.end
      [kept, edit.text]
    end
    read(parts.join + text[upto..])
  end

  # Those within a mapping come before what is added after it.
  def edits_of(mapping, theirs, other)
    added, known = YamlConf.pairs(theirs).partition { |key, _| !YamlConf.pair(mapping, key.value) }
    edits = known.flat_map do |key, value|
      own_key, own = YamlConf.pair(mapping, key.value)
      next edits_of(own, value, other) if [own, value].all?(Psych::Nodes::Mapping)

      replacement(own_key, own, other.flow(value))
    end
    edits + addition(mapping, added.map { |key, value| "#{other.flow(key)}: #{other.flow(value)}" })
  end

  def replacement(key, value, new)
    return [] if flow(value) == new

    from = text.index(':', last(key)) + 1
    upto = [last(value), from].max
    [Edit.new(from...upto, " #{new}#{"\n" if text[upto - 1] == "\n"}")]
  end

  def addition(mapping, pairs)
    return [] if pairs.empty?
    return within_braces(mapping, pairs) if mapping.style == Psych::Nodes::Mapping::FLOW

    at = text.index("\n", text.rindex(/[^\n]/, last(mapping) - 1)) || text.length
    [Edit.new(at...at, pairs.map { |pair| "\n#{' ' * mapping.start_column}#{pair}" }.join)]
  end

  def within_braces(mapping, pairs)
    at = last(mapping) - 1
    [Edit.new(at...at, (mapping.children.empty? ? '' : ', ') + pairs.join(', '))]
  end
end
