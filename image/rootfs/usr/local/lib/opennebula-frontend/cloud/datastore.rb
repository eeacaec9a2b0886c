# frozen_string_literal: true

require_relative 'clustered'

# A datastore: of images, of running machines' disks (system), or of files.
class Datastore < Clustered
  KIND = :datastore
  MEMBER = 'datastore'
  KEYS = %w[name type driver transfer clusters attributes].freeze
  # OpenNebula's numbers.
  TYPES = { 'image' => '0', 'system' => '1', 'file' => '2' }.freeze
  DECIDED = { 'NAME' => 'name', 'TYPE' => 'type', 'DS_MAD' => 'driver', 'TM_MAD' => 'transfer' }.freeze

  def initialize(entry)
    super
    @type = entry.choice('type', TYPES.keys, 'image')
    @type == 'system' && entry.given?('driver') and
      raise Refusal, "#{title} is of the type system, which has no driver: leave the key out, its transfer decides"
    @driver = entry.text('driver', @type == 'system' ? nil : 'fs')
    @transfer = entry.text('transfer', 'local')
    @attributes = entry.attributes(DECIDED)
  end

  def check(one, declaration)
    super
    check_driver('driver', @driver, one.drivers('DS_MAD_CONF')) if @driver
    check_driver('transfer', @transfer, one.drivers('TM_MAD_CONF'))
    thing = one.find(kind, name)
    thing ? check_present(thing) : check_required(one)
  end

  private

  def check_present(thing)
    refuse_other('type', TYPES.key(thing.text('TYPE')) || 'backup', @type)
    refuse_other('driver', thing.text('DS_MAD'), @driver) if @entry.given?('driver')
    refuse_other('transfer', thing.text('TM_MAD'), @transfer) if @entry.given?('transfer')
  end

  # What oned.conf says that the driver needs.
  def check_required(one)
    section = one.configuration.get_elements('DS_MAD_CONF').find { |conf| conf.elements['NAME']&.text == @driver }
    required = section&.elements&.[]('REQUIRED_ATTRS')&.text.to_s.split(',').map { |name| name.strip.upcase }
    missing = required - @attributes.keys
    missing.empty? or
      raise Refusal, "#{title}: the driver #{@driver} needs the attribute #{missing.first}: give it below attributes"
  end

  def create(one)
    template = { 'NAME' => name, 'TYPE' => "#{@type.upcase}_DS", 'DS_MAD' => @driver, 'TM_MAD' => @transfer }.compact
    one.allocate(kind, Template.xml({ **template, **@attributes, **Thing::MARK }), first_cluster(one))
  end
end
