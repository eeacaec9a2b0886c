# frozen_string_literal: true

require_relative 'item'
require_relative 'quotas'

# A group of users, with its quotas.
class Group < Item
  KIND = :group
  KEYS = %w[name quotas].freeze

  # Whoever is in a new group may create things of these kinds, as where OpenNebula's own
  # tools make it. Numbers are those of ACL rules.
  CREATED = {
    'VM' => 0x1000000000, 'IMAGE' => 0x8000000000, 'TEMPLATE' => 0x20000000000, 'DOCUMENT' => 0x400000000000,
    'SECGROUP' => 0x1000000000000, 'VROUTER' => 0x4000000000000, 'VMGROUP' => 0x20000000000000,
    'BACKUPJOB' => 0x100000000000000
  }.freeze
  GROUP = 0x200000000
  ALL = 0x400000000
  CREATE = 0x8

  def initialize(entry)
    super
    name.include?(' ') and
      raise Refusal, "#{title} has a space in its name, which OpenNebula does not take in groups: write it without"
    return unless entry.given?('quotas')

    name == 'oneadmin' and raise Refusal, "#{title} cannot have quotas, OpenNebula sets it no limits: leave quotas out"
    @quotas = Quotas.new(title, entry['quotas'])
  end

  def check(one, declaration)
    @quotas&.targets&.each { |kind, names| check_known(kind, names, one, declaration) }
  end

  private

  def create(one)
    id = one.allocate(kind, name)
    rule = [GROUP + id, CREATED.values.sum + ALL, CREATE, ALL]
    one.call('acl.addrule', *rule.map { |number| format('0x%x', number) })
    one.update(kind, id, Thing::MARK)
    @quotas&.set(one, one.details(kind, id))
  end

  def amend(one, thing, report)
    set = @quotas ? @quotas.set(one, one.details(kind, thing.id)) : []
    report.changed("#{title}: quotas of #{set.join(', ')}") unless set.empty?
  end
end
