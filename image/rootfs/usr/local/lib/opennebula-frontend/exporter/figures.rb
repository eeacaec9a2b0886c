# frozen_string_literal: true

require_relative 'page'

# Asks oned for one kind of figures after the other.
class Figures
  KINDS = %i[raft hosts usage vms datastores images networks users groups].freeze

  # OpenNebula's names of its numbers.
  RAFT = %w[solo candidate follower leader].freeze
  HOST = %w[init monitoring_monitored monitored error disabled monitoring_error monitoring_init monitoring_disabled offline].freeze
  VM = %w[init pending hold active stopped suspended done failed poweroff undeployed cloning cloning_failure].freeze
  ACTIVE = 3
  LCM = %w[
    lcm_init prolog boot running migrate save_stop save_suspend save_migrate prolog_migrate prolog_resume epilog_stop
    epilog shutdown cancel failure cleanup_resubmit unknown hotplug shutdown_poweroff boot_unknown boot_poweroff
    boot_suspended boot_stopped cleanup_delete hotplug_snapshot hotplug_nic hotplug_saveas hotplug_saveas_poweroff
    hotplug_saveas_suspended shutdown_undeploy epilog_undeploy prolog_undeploy boot_undeploy hotplug_prolog_poweroff
    hotplug_epilog_poweroff boot_migrate boot_failure boot_migrate_failure prolog_migrate_failure prolog_failure
    epilog_failure epilog_stop_failure epilog_undeploy_failure prolog_migrate_poweroff prolog_migrate_poweroff_failure
    prolog_migrate_suspend prolog_migrate_suspend_failure boot_undeploy_failure boot_stopped_failure
    prolog_resume_failure prolog_undeploy_failure disk_snapshot_poweroff disk_snapshot_revert_poweroff
    disk_snapshot_delete_poweroff disk_snapshot_suspended disk_snapshot_revert_suspended disk_snapshot_delete_suspended
    disk_snapshot disk_snapshot_revert disk_snapshot_delete prolog_migrate_unknown prolog_migrate_unknown_failure
    disk_resize disk_resize_poweroff disk_resize_undeployed hotplug_nic_poweroff hotplug_resize
    hotplug_saveas_undeployed hotplug_saveas_stopped backup backup_poweroff restore
  ].freeze
  IMAGE = %w[init ready used disabled locked error clone delete used_pers locked_used locked_used_pers].freeze
  DATASTORE = %w[image system file backup].freeze

  KILOBYTE = 1024
  MEGABYTE = 1024**2

  def initialize(oned)
    @oned = oned
    @hosts = {} # labels of each, by its number
  end

  # A page with figures of one kind: all of them, or an exception.
  def of(kind)
    @page = Page.new
    send(kind)
    @page
  end

  private

  def raft
    state = @oned.document('one.zone.raftstatus').number('STATE')
    @page.add('opennebula_raft_state', 1, state: RAFT.fetch(state, state))
  end

  def hosts
    hosts = @oned.pool('one.hostpool.info')
    by_state('opennebula_hosts', hosts.map { |host| host.number('STATE') }.tally, HOST)
    @hosts = hosts.to_h do |host|
      [host.number('ID'), { host: host.text('NAME'), cluster: host.text('CLUSTER'), driver: host.text('VM_MAD') }]
    end
    hosts.each { |host| host_figures(host, @hosts[host.number('ID')]) }
  end

  def host_figures(host, labels)
    state = host.number('STATE')
    @page.add('opennebula_host_state', 1, { **labels, state: HOST.fetch(state, state) })
    @page.add('opennebula_host_vms', host.number('HOST_SHARE/RUNNING_VMS'), labels)
    { 'capacity' => 'TOTAL', 'allocatable' => 'MAX' }.each do |figure, name|
      cores(figure, host.number("HOST_SHARE/#{name}_CPU"), labels)
      memory(figure, host.number("HOST_SHARE/#{name}_MEM"), labels)
    end
    cores('allocated', host.number('HOST_SHARE/CPU_USAGE'), labels)
    memory('allocated', host.number('HOST_SHARE/MEM_USAGE'), labels)
  end

  # What hosts reported last, which the pool does not have; 0: nothing older.
  def usage
    @oned.pool('one.hostpool.monitoring', 0).each do |report|
      labels = @hosts[report.number('ID')] or next # a new host
      cores('used', report.number('CAPACITY/USED_CPU'), labels)
      memory('used', report.number('CAPACITY/USED_MEMORY'), labels)
    end
  end

  def cores(figure, percent, labels)
    @page.add("opennebula_host_cpu_#{figure}_cores", percent && percent / 100.0, labels)
  end

  def memory(figure, kilobytes, labels)
    @page.add("opennebula_host_memory_#{figure}_bytes", kilobytes && kilobytes * KILOBYTE, labels)
  end

  # -1: whatever their state, but done. Those that are done stay for ever.
  def vms
    states, active = Hash.new(0), Hash.new(0)
    @oned.each_of('one.vmpool.info', -1) do |vm|
      state = vm.number('STATE')
      states[state] += 1
      active[vm.number('LCM_STATE')] += 1 if state == ACTIVE
    end
    by_state('opennebula_vms', states, VM - ['done'], VM)
    active.each { |state, count| @page.add('opennebula_active_vms', count, state: LCM.fetch(state, state)) }
  end

  def datastores
    @oned.pool('one.datastorepool.info').each do |datastore|
      next unless datastore.number('TOTAL_MB')&.positive? # it is on the hosts, or was not measured yet

      labels = { datastore: datastore.text('NAME'), type: DATASTORE.fetch(datastore.number('TYPE'), 'other') }
      { 'capacity' => 'TOTAL_MB', 'used' => 'USED_MB', 'free' => 'FREE_MB' }.each do |figure, name|
        size = datastore.number(name)
        @page.add("opennebula_datastore_#{figure}_bytes", size && size * MEGABYTE, labels)
      end
    end
  end

  def images
    states, size = Hash.new(0), 0
    @oned.each_of('one.imagepool.info') do |image|
      states[image.number('STATE')] += 1
      size += image.number('SIZE').to_i
    end
    by_state('opennebula_images', states, IMAGE)
    @page.add('opennebula_images_size_bytes', size * MEGABYTE)
  end

  # Two owners can have networks of one name, so that their numbers are told as well.
  def networks
    @oned.each_of('one.vnpool.info') do |network|
      labels = { id: network.text('ID'), network: network.text('NAME') }
      @page.add('opennebula_network_leases', network.all('AR_POOL/AR').sum { |range| range.number('SIZE').to_i }, labels)
      @page.add('opennebula_network_leases_used', network.number('USED_LEASES'), labels)
    end
  end

  def users
    @page.add('opennebula_users', count('one.userpool.info', 'USER'))
  end

  def groups
    @page.add('opennebula_groups', count('one.grouppool.info', 'GROUP'))
  end

  # Of a pool that has elements of other kinds as well.
  def count(method, element)
    @oned.document(method).all(element).length
  end

  # All states, also those that none is in, so that a graph has no gaps.
  def by_state(metric, counts, shown, names = shown)
    shown.each { |name| @page.add(metric, counts.fetch(names.index(name), 0), state: name) }
  end
end
