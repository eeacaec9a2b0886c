# frozen_string_literal: true

require_relative 'entry'

# The limits of a group. Where one is not declared, it stays.
class Quotas
  # OpenNebula's own numbers for what is no limit: that of all groups, and none.
  DEFAULT = -1
  UNLIMITED = -2

  # The limits of one quota: OpenNebula's name of it, what it is for (nil for all), and
  # its limits by their names.
  Quota = Struct.new(:section, :kind, :name, :limits)

  MACHINES = { 'vms' => 'VMS', 'cpu' => 'CPU', 'memory' => 'MEMORY', 'disk' => 'SYSTEM_DISK_SIZE' }.freeze
  LISTS = {
    'datastores' => ['DATASTORE', :datastore, { 'size' => 'SIZE', 'images' => 'IMAGES' }],
    'networks' => ['NETWORK', :network, { 'leases' => 'LEASES' }]
  }.freeze

  def initialize(title, mapping)
    entry = Entry.new("#{title}, quotas", mapping, [*MACHINES.keys, *LISTS.keys])
    @quotas = [Quota.new('VM', nil, nil, limits(entry, MACHINES))]
    LISTS.each_key { |key| @quotas.concat(listed(entry, key)) }
    @quotas.reject! { |quota| quota.limits.empty? }
  end

  # The names of what must be there, by kind.
  def targets
    @quotas.select(&:kind).group_by(&:kind).transform_values { |quotas| quotas.map(&:name) }
  end

  # Returns what was set, in words.
  def set(one, group)
    changed = @quotas.filter_map do |quota|
      id = quota.kind && one.fetch(quota.kind, quota.name).id
      wanted = template(quota, id, present(quota, id, group))
      [quota, wanted] if wanted
    end
    changed.group_by { |quota, _| quota.section }.each do |section, some|
      one.call('group.quota', group.id, Template.xml(section => some.map(&:last)))
    end
    changed.map { |quota, _| quota.name ? "#{OpenNebula::KINDS[quota.kind].title} #{quota.name}" : 'virtual machines' }
  end

  private

  def limits(entry, names)
    names.filter_map do |key, name|
      limit = entry.number(key, key == 'cpu' ? UNLIMITED.to_f.. : UNLIMITED..)
      [name, limit] if limit
    end.to_h
  end

  def listed(entry, key)
    section, kind, names = LISTS[key]
    named = entry.list(key).map.with_index(1) { |mapping, i| [Entry.name_of("#{entry.title}, #{key} #{i}", mapping), mapping] }
    twice = named.map(&:first).tally.key(2)
    twice and raise Refusal, "#{entry.title}: #{key} has #{twice} twice: give all its limits at once"
    named.map do |name, mapping|
      Quota.new(section, kind, name, limits(Entry.new("#{entry.title}, #{key} #{name}", mapping, ['name', *names.keys]), names))
    end
  end

  # The limits that OpenNebula has. Machines may have some of single clusters, too.
  def present(quota, id, group)
    all = group.element.get_elements("#{quota.section}_QUOTA/#{quota.section}").map { |e| Template.value(e) }
    found = all.find { |q| id ? q['ID'] == id.to_s : q['CLUSTER_IDS'].to_s.empty? } || {}
    found.reject { |name, _| name.end_with?('_USED') || %w[ID CLUSTER_IDS].include?(name) }.transform_values(&:to_f)
  end

  # All limits, since OpenNebula takes one that is not given for the default; nil
  # where they are as wanted.
  def template(quota, id, present)
    return if quota.limits.all? { |name, limit| present.fetch(name, DEFAULT) == limit }

    all = present.merge(quota.limits).transform_values { |limit| limit == limit.to_i ? limit.to_i : limit }
    id ? { 'ID' => id, **all } : all
  end
end
