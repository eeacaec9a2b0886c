# frozen_string_literal: true

# What the exporter can say, and how Prometheus reads it: its text format.
class Page
  # Kind and meaning of each metric. Figures in base units; cores where OpenNebula
  # has hundredths of them.
  METRICS = {
    'opennebula_up' => ['gauge', 'Whether oned answers, and takes the credentials: 1 or 0.'],
    'opennebula_build_info' => ['gauge', 'The release of OpenNebula that answers; always 1.'],
    'opennebula_scrape_duration_seconds' => ['gauge', 'How long oned took for the figures.'],
    'opennebula_scrape_errors_total' => ['counter', 'How often oned did not give a kind of figures, which were left out then.'],
    'opennebula_raft_state' => ['gauge', 'State of this oned among those of its zone; always 1.'],
    'opennebula_hosts' => ['gauge', 'Hosts by state.'],
    'opennebula_host_state' => ['gauge', 'State of a host; always 1.'],
    'opennebula_host_vms' => ['gauge', 'Virtual machines on a host.'],
    'opennebula_host_cpu_capacity_cores' => ['gauge', 'Cores of a host.'],
    'opennebula_host_cpu_allocatable_cores' => ['gauge', 'Cores of a host that oned gives to virtual machines, with what is reserved or overcommitted.'],
    'opennebula_host_cpu_allocated_cores' => ['gauge', 'Cores that the virtual machines of a host were given.'],
    'opennebula_host_cpu_used_cores' => ['gauge', 'Cores of a host that are in use, as it reported last.'],
    'opennebula_host_memory_capacity_bytes' => ['gauge', 'Memory of a host.'],
    'opennebula_host_memory_allocatable_bytes' => ['gauge', 'Memory of a host that oned gives to virtual machines, with what is reserved or overcommitted.'],
    'opennebula_host_memory_allocated_bytes' => ['gauge', 'Memory that the virtual machines of a host were given.'],
    'opennebula_host_memory_used_bytes' => ['gauge', 'Memory of a host that is in use, as it reported last.'],
    'opennebula_vms' => ['gauge', 'Virtual machines by state, without those that are done.'],
    'opennebula_active_vms' => ['gauge', 'Virtual machines in the state active, by what is done with them.'],
    'opennebula_datastore_capacity_bytes' => ['gauge', 'Size of a datastore. Those that are on each host by themselves have none.'],
    'opennebula_datastore_used_bytes' => ['gauge', 'Space of a datastore that is in use.'],
    'opennebula_datastore_free_bytes' => ['gauge', 'Space of a datastore that is free.'],
    'opennebula_images' => ['gauge', 'Images by state.'],
    'opennebula_images_size_bytes' => ['gauge', 'Size of all images.'],
    'opennebula_network_leases' => ['gauge', 'Addresses of a virtual network.'],
    'opennebula_network_leases_used' => ['gauge', 'Addresses of a virtual network that are in use, or reserved.'],
    'opennebula_users' => ['gauge', 'Users.'],
    'opennebula_groups' => ['gauge', 'Groups.']
  }.freeze

  ESCAPES = { '\\' => '\\\\', '"' => '\\"', "\n" => '\\n' }.freeze

  def initialize
    @samples = METRICS.transform_values { [] }
  end

  # A figure that oned does not have is left out.
  def add(name, value, labels = {})
    @samples.fetch(name) << [labels, value] if value
  end

  def merge(other)
    METRICS.each_key { |name| @samples[name].concat(other.samples(name)) }
  end

  def samples(name)
    @samples.fetch(name)
  end

  def to_s
    METRICS.reject { |name, _| @samples[name].empty? }.map { |name, (kind, help)| family(name, kind, help) }.join
  end

  private

  def family(name, kind, help)
    lines = @samples[name].map { |labels, value| "#{name}#{braces(labels)} #{value}\n" }
    "# HELP #{name} #{help}\n# TYPE #{name} #{kind}\n#{lines.join}"
  end

  def braces(labels)
    return '' if labels.empty?

    "{#{labels.map { |label, text| "#{label}=\"#{text.to_s.scrub.gsub(/[\\"\n]/, ESCAPES)}\"" }.join(',')}}"
  end
end
