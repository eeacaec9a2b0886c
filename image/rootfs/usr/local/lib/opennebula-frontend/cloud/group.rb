# frozen_string_literal: true

require_relative 'item'
require_relative 'quotas'

# A group of users, with its quotas.
class Group < Item
  KIND = :group
  KEYS = %w[name quotas].freeze

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
    one.update(kind, id, Thing::MARK)
    @quotas&.set(one, one.details(kind, id))
  end

  def amend(one, thing, report)
    set = @quotas ? @quotas.set(one, one.details(kind, thing.id)) : []
    report.changed("#{title}: quotas of #{set.join(', ')}") unless set.empty?
  end
end
