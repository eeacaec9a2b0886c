# frozen_string_literal: true

require 'psych'
require_relative '../source'
require_relative 'cluster'
require_relative 'datastore'
require_relative 'group'
require_relative 'host'
require_relative 'marketplace'
require_relative 'network'

# The cloud file, all of it checked.
class Declaration
  # Lists of the file, in the order in which OpenNebula gets them.
  LISTS = {
    'clusters' => Cluster, 'datastores' => Datastore, 'virtualNetworks' => Network,
    'groups' => Group, 'hosts' => Host
  }.freeze
  KEYS = [*LISTS.keys, 'marketplaces'].freeze

  attr_reader :items

  def self.read(file)
    new(parse(Source.text(file)))
  rescue Refusal => e
    raise e if e.message.start_with?(file)

    raise Refusal, "#{file}: #{e.message}"
  end

  def self.parse(text)
    stream = Psych.parse_stream(text)
    stream.children.size > 1 and raise Refusal, 'it holds several documents; it must be one'
    refuse_twice(stream)
    Psych.safe_load(text, aliases: true)
  rescue Psych::SyntaxError => e
    raise Refusal, "line #{e.line} is not YAML: #{[e.problem, e.context].compact.join(' ')}"
  rescue Psych::DisallowedClass => e
    raise Refusal, "a value is not a text, a number, or true or false (#{e.message}): write it in quotes"
  end

  # Of a key that is there twice, YAML's reader would forget the first in silence.
  def self.refuse_twice(node)
    children = node&.children or return
    if node.is_a?(Psych::Nodes::Mapping)
      keys = children.each_slice(2).map(&:first).grep(Psych::Nodes::Scalar)
      twice = keys.find.with_index { |key, i| keys[0...i].any? { |k| k.value == key.value } }
      twice and raise Refusal, "line #{twice.start_line + 1} has the key #{twice.value} for the second time: give it once"
    end
    children.each { |child| refuse_twice(child) }
  end

  def initialize(content)
    # A file that was cut off must not look like one without hosts.
    content.nil? and raise Refusal, 'it is empty; where nothing is to be declared, write {}'
    top = Entry.new('the file', content, KEYS)
    @items = LISTS.flat_map { |key, item| listed(key, item, top.list(key)) } + marketplaces(top)
  end

  def hosts
    items.grep(Host)
  end

  def names(kind)
    items.select { |item| item.kind == kind }.map(&:name)
  end

  def check(one)
    items.each { |item| item.check(one, self) }
  end

  private

  def listed(key, item, list)
    word = OpenNebula::KINDS[item::KIND].title
    named = list.map.with_index(1) { |mapping, i| [Entry.name_of("#{word} #{i} of #{key}", mapping), mapping] }
    twice = named.map(&:first).tally.find { |_, times| times > 1 }&.first
    twice and raise Refusal, "there are two #{word}s named #{twice}: give each a name of its own"
    named.map { |name, mapping| item.new(Entry.new("the #{word} #{name}", mapping, item::KEYS)) }
  end

  def marketplaces(top)
    top.given?('marketplaces') or return []
    Entry.new('marketplaces', top['marketplaces'], top['marketplaces'].is_a?(Hash) ? top['marketplaces'].keys : [])
    top['marketplaces'].map do |name, on|
      Entry.name('marketplaces', name)
      [true, false].include?(on) or
        raise Refusal, "the marketplace #{name} is #{Entry.kind(on)}; it must be true (on) or false (off)"
      Marketplace.new(Entry.new("the marketplace #{name}", { 'name' => name, 'on' => on }, %w[name on]))
    end
  end
end
