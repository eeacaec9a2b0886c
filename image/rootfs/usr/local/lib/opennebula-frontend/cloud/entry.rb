# frozen_string_literal: true

require_relative '../refusal'

# What the cloud file says of one thing: a mapping of known keys, whose values are of
# the kinds that they must be. title is what a reader calls the thing.
class Entry
  # OpenNebula takes no others in names.
  NAME = %r{\A[^&|:\\";/'\#{}$<>[:cntrl:]]{1,128}\z}.freeze
  # OpenNebula keeps these only, and in XML.
  ATTRIBUTE = /\A[A-Z_][A-Z0-9_]*\z/.freeze
  # Those that are this tool's own.
  OURS = { 'MANAGED_BY' => :none }.freeze
  FORBIDDEN = /[[:cntrl:]&&[^\t\n]]|\]\]>/.freeze

  def self.kind(value)
    case value
    when nil then 'empty'
    when Hash then 'a mapping'
    when Array then 'a list'
    when String then value.inspect
    else "#{value} (#{value.is_a?(Numeric) ? 'a number' : 'not a text'})"
    end
  end

  # The name that a mapping gives its thing.
  def self.name_of(what, mapping)
    mapping.is_a?(Hash) or raise Refusal, "#{what} is #{kind(mapping)}; it must be keys and values, such as name: NAME"
    mapping.key?('name') or raise Refusal, "#{what} has no name: give it one"
    name(what, mapping['name'])
  end

  def self.name(what, value)
    value.is_a?(String) && value.match?(NAME) && value == value.strip and return value
    raise Refusal, "#{what}: the name is #{kind(value)}; it must be a text of 128 characters at most, " \
                   "without & | : \\ \" ; / ' # { } $ < >#{' (write numbers in quotes)' unless value.is_a?(String)}"
  end

  attr_reader :title

  def initialize(title, mapping, known)
    @title = title
    @mapping = mapping
    mapping.is_a?(Hash) or raise Refusal, "#{title} is #{Entry.kind(mapping)}; it must be keys and values"
    unknown = mapping.keys.map(&:to_s) - known
    return if unknown.empty?

    raise Refusal, "#{title} has the key #{unknown.first}, which is not known#{Refusal.hint(unknown.first, known)}: " \
                   "it can have #{known.join(', ')}"
  end

  def given?(key)
    @mapping.key?(key)
  end

  def [](key)
    @mapping[key]
  end

  def text(key, default = nil)
    given?(key) or return default
    value = @mapping[key]
    value.is_a?(String) && !value.strip.empty? and return value
    refuse(key, 'it must be a text (write numbers, and yes or no, in quotes)')
  end

  def choice(key, choices, default)
    value = text(key, default)
    choices.include?(value) and return value
    refuse(key, "it can be #{Entry.any(choices)}#{Refusal.hint(value.to_s, choices)}")
  end

  # A whole number, or any where the range is of fractions.
  def number(key, range, default = nil)
    given?(key) or return default
    value = @mapping[key]
    value.is_a?(range.begin.is_a?(Float) ? Numeric : Integer) && range.cover?(value) and return value
    refuse(key, "it must be #{range.begin.is_a?(Float) ? 'a number' : 'a whole number'}, " \
                "#{range.begin}#{range.end ? " to #{range.end}" : ' or more'}")
  end

  def names(key)
    list(key).each { |value| Entry.name("#{title}: #{key}", value) }
  end

  def list(key)
    given?(key) or return []
    @mapping[key].is_a?(Array) or refuse(key, 'it must be a list')
    @mapping[key]
  end

  # OpenNebula's own attributes, but those that other keys decide (name => key).
  def attributes(decided = {})
    given?('attributes') or return {}
    raw = @mapping['attributes']
    raw.is_a?(Hash) or refuse('attributes', 'it must be names and values')
    raw.each_with_object({}) do |(name, value), attributes|
      name = attribute_name(name, decided)
      attributes.key?(name) and raise Refusal, "#{title} has the attribute #{name} twice: give it once"
      attributes[name] = value.is_a?(Hash) ? vector(name, value) : plain(name, value)
    end
  end

  def refuse(key, mend)
    raise Refusal, "#{title}: #{key} is #{Entry.kind(@mapping[key])}; #{mend}"
  end

  def self.any(words)
    words.size > 1 ? "#{words[0..-2].join(', ')} or #{words.last}" : words.first.to_s
  end

  private

  def attribute_name(given, decided)
    name = given.to_s.upcase
    name.match?(ATTRIBUTE) or
      raise Refusal, "#{title} has the attribute #{given.inspect}: its name must be of letters, digits and _"
    key = OURS.merge(decided)[name] or return name
    mend = key == :none ? 'by this tool: leave it out' : "by the key #{key}: give it there"
    raise Refusal, "#{title} has the attribute #{name}, which is decided #{mend}"
  end

  def vector(name, value)
    value.empty? and raise Refusal, "#{title}: the attribute #{name} is empty: give it a value, or leave it out"
    value.to_h { |inner, text| [attribute_name(inner, {}), plain("#{name}/#{inner}", text)] }
  end

  # What is written as yes is a truth to YAML, and YES to OpenNebula.
  def plain(name, value)
    case value
    when true then 'YES'
    when false then 'NO'
    when Integer, Float then value.to_s
    when String then checked(name, value)
    else raise Refusal, "#{title}: the attribute #{name} is #{Entry.kind(value)}; it must be a text or a number"
    end
  end

  # Not the value: it may be a secret.
  def checked(name, value)
    value.strip.empty? and raise Refusal, "#{title}: the attribute #{name} is empty: give it a value, or leave it out"
    value.match?(FORBIDDEN) and
      raise Refusal, "#{title}: the attribute #{name} has a control character or ]]> in it, which OpenNebula cannot keep"
    value
  end
end
