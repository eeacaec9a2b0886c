# frozen_string_literal: true

require_relative 'address_range'
require_relative 'clustered'

# A virtual network, with its address ranges.
class Network < Clustered
  KIND = :network
  MEMBER = 'vnet'
  KEYS = %w[name driver bridge clusters attributes addressRanges].freeze
  DECIDED = { 'NAME' => 'name', 'VN_MAD' => 'driver', 'BRIDGE' => 'bridge', 'AR' => 'addressRanges' }.freeze
  # OpenNebula takes these when it creates the network, and keeps them elsewhere.
  AT_CREATION = %w[AUTOMATIC_VLAN_ID AUTOMATIC_OUTER_VLAN_ID].freeze
  # What drivers cannot do without: one of each.
  VLAN = [%w[PHYDEV], %w[VLAN_ID AUTOMATIC_VLAN_ID]].freeze
  NEEDS = {
    '802.1Q' => VLAN, 'vxlan' => VLAN, 'ovswitch_vxlan' => [%w[OUTER_VLAN_ID AUTOMATIC_OUTER_VLAN_ID]],
    'dummy' => [%w[BRIDGE]]
  }.freeze

  def initialize(entry)
    super
    @driver = entry.text('driver', 'bridge')
    @attributes = entry.attributes(DECIDED)
    @attributes['BRIDGE'] = entry.text('bridge') if entry.given?('bridge')
    @ranges = entry.list('addressRanges').map.with_index(1) do |range, i|
      AddressRange.new("#{title}, address range #{i}", range)
    end
    refuse_overlap
  end

  def check(one, declaration)
    super
    thing = one.find(kind, name)
    return check_present(one, thing) if thing

    check_driver('driver', @driver, one.drivers('VN_MAD_CONF'))
    NEEDS.fetch(@driver, []).each do |some|
      (some & @attributes.keys).empty? and
        raise Refusal, "#{title}: the driver #{@driver} needs #{some.first}: give it below attributes" \
                       "#{", or #{some.last}: YES" if some.size > 1}"
    end
  end

  private

  def refuse_overlap
    @ranges.combination(2) do |a, b|
      a.overlaps?(b) and raise Refusal, "#{b.title} (#{b}) overlaps #{a.title} (#{a}): give them addresses of their own"
    end
  end

  # Declared ranges with the ones of OpenNebula that they are, or nil.
  def pairs(details)
    left = details.element.get_elements('AR_POOL/AR').map { |e| Template.value(e) }
    pairs = @ranges.map { |range| [range, left.delete_at(left.index { |ar| range.same?(ar) } || left.size)] }
    [pairs, left]
  end

  def check_present(one, thing)
    refuse_other('driver', thing.text('VN_MAD'), @driver) if @entry.given?('driver')
    pairs, left = pairs(one.details(kind, thing.id))
    all = pairs.filter_map(&:last) + left
    pairs.each do |range, present|
      range.check(present) if present
      range.refuse_among(all - [present]) unless present && !range.larger?(present)
    end
  end

  def create(one)
    template = { 'NAME' => name, 'VN_MAD' => @driver, **@attributes, 'AR' => @ranges.map(&:template), **Thing::MARK }
    id = one.allocate(kind, Template.xml(template), first_cluster(one))
    # At creation OpenNebula adds its default group, which lets everything through.
    one.update(kind, id, @attributes.slice('SECURITY_GROUPS')) if @attributes.key?('SECURITY_GROUPS')
  end

  def amend(one, thing, report)
    @attributes = @attributes.except(*AT_CREATION)
    super
    pairs, left = pairs(one.details(kind, thing.id))
    pairs.each { |range, present| present ? grow(one, thing, range, present, report) : add(one, thing, range, report) }
    return unless thing.managed?

    left.each do |ar|
      report.say("#{title}: the address range #{AddressRange.words(ar)} is no longer declared; it stays, remove it in OpenNebula")
    end
  end

  def add(one, thing, range, report)
    one.call('vn.add_ar', thing.id, Template.xml('AR' => range.template))
    report.changed("#{title}: has the address range #{range} now")
  end

  def grow(one, thing, range, present, report)
    words = "#{title}: the address range #{AddressRange.words(present)}"
    range.smaller?(present) and
      report.say("#{words} has more than the #{range.size} addresses declared; it stays as it is")
    wanted = range.update(present) or return
    one.call('vn.update_ar', thing.id, Template.xml('AR' => wanted))
    report.changed("#{words} is #{AddressRange.words(wanted)} now")
  end
end
