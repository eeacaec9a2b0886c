# frozen_string_literal: true

require 'ipaddr'
require_relative 'address'
require_relative 'entry'

# An address range of a virtual network, as declared. One of OpenNebula's is a hash of
# texts here.
class AddressRange
  # What a type cannot do without.
  TYPES = {
    'IP4' => %w[IP], 'IP4_6' => %w[IP], 'IP4_6_STATIC' => %w[IP IP6 PREFIX_LENGTH], 'IP6_STATIC' => %w[IP6 PREFIX_LENGTH],
    'IP6' => [], 'ETHER' => []
  }.freeze
  DECIDED = { 'TYPE' => 'type', 'IP' => 'ip', 'MAC' => 'mac', 'SIZE' => 'size', 'AR_ID' => :none }.freeze
  LAST = IPAddr.new('255.255.255.255').to_i
  # By these a range is told from others; they cannot be changed.
  IDENTITY = %w[MAC IP6 GLOBAL_PREFIX ULA_PREFIX].freeze
  # What OpenNebula writes itself.
  GENERATED = /_END\z|\AIP6_(ULA|GLOBAL)|LEASES\z|\AALLOCATED\z|\APARENT_NETWORK/.freeze

  attr_reader :title, :size

  # One of OpenNebula's, for a reader.
  def self.words(range)
    "#{range['IP'] || range['IP6'] || range['MAC']} (#{range['TYPE']}, #{range['SIZE']} addresses)"
  end

  def initialize(title, mapping)
    @title = title
    @entry = Entry.new(title, mapping, %w[type ip mac size attributes])
    @type = @entry.choice('type', TYPES.keys, 'IP4')
    @entry.given?('size') or raise Refusal, "#{title} has no size: say how many addresses it has"
    @size = @entry.number('size', 1..LAST)
    @values = @entry.attributes(DECIDED)
    vector = @values.key(@values.values.grep(Hash).first)
    vector and raise Refusal, "#{title}: the attribute #{vector} is a mapping; in a range it must be a text or a number"
    read_addresses
  end

  def to_s
    AddressRange.words(template)
  end

  def template
    { 'TYPE' => @type, 'SIZE' => size.to_s, **@values }
  end

  # Whether it has addresses of another one, be it declared or OpenNebula's.
  def overlaps?(other)
    theirs = other.is_a?(Hash) ? AddressRange.span(other) : other.span
    span && theirs && span.first <= theirs.last && theirs.first <= span.last
  end

  def span
    AddressRange.span(template)
  end

  def self.span(range)
    return unless Address.ip4?(range['IP'].to_s)

    first = IPAddr.new(range['IP']).to_i
    first..(first + range['SIZE'].to_i - 1)
  end

  # Whether one of OpenNebula's is this one.
  def same?(range)
    return false unless range['TYPE'] == @type
    return range['IP'] == @values['IP'] if @values['IP']

    IDENTITY.all? { |name| !@values.key?(name) || range[name].to_s.casecmp?(@values[name]) }
  end

  def check(range)
    fixed = IDENTITY.find { |name| @values.key?(name) && !range[name].to_s.casecmp?(@values[name]) }
    fixed or return
    raise Refusal, "#{title} has the #{fixed} #{range[fixed]} in OpenNebula, which cannot be changed: " \
                   'declare that, or leave it out'
  end

  # OpenNebula itself would lease such addresses twice.
  def refuse_among(ranges)
    other = ranges.find { |range| overlaps?(range) } or return
    raise Refusal, "#{title} (#{self}) overlaps the range #{AddressRange.words(other)} that OpenNebula has: " \
                   'declare that one, with its type and first address, or remove it in OpenNebula'
  end

  def smaller?(range)
    size < range['SIZE'].to_i
  end

  def larger?(range)
    size > range['SIZE'].to_i
  end

  # What makes one of OpenNebula's this one: all of it, since what is left out would
  # be removed. nil if nothing is to be done.
  def update(range)
    wanted = { **@values.except('IP', *IDENTITY), 'SIZE' => [size, range['SIZE'].to_i].max.to_s }
    range.reject { |name, _| name.match?(GENERATED) }.merge(wanted) unless wanted <= range
  end

  private

  def read_addresses
    if @entry.given?('ip')
      Address.ip4?(@entry.text('ip')) or @entry.refuse('ip', 'it must be an IPv4 address, such as 10.0.0.100')
      @values['IP'] = @entry['ip']
    end
    if @entry.given?('mac')
      @entry.text('mac').match?(Address::MAC) or @entry.refuse('mac', 'it must be six pairs of digits, such as 02:00:0a:00:00:64')
      @values['MAC'] = @entry['mac'].downcase
    end
    check_needs
  end

  def check_needs
    missing = TYPES[@type].find { |name| !@values.key?(name) }
    mend = missing == 'IP' ? 'its first address: give ip' : "#{missing}: give it below attributes"
    missing and raise Refusal, "#{title} is of the type #{@type}, which needs #{mend}"
    @values.key?('IP') && !TYPES[@type].include?('IP') and
      raise Refusal, "#{title} is of the type #{@type}, which has no IPv4 addresses: leave ip out, or make it IP4"
    span && span.last > LAST and
      raise Refusal, "#{title}: there are no #{size} addresses from #{@values['IP']} on: give a smaller size"
  end
end
