# frozen_string_literal: true

require_relative 'address'
require_relative 'host_key'
require_relative 'item'

# A hypervisor. OpenNebula's drivers log in to it by its name.
class Host < Item
  KIND = :host
  KEYS = %w[name address port driver cluster labels hostKey attributes].freeze
  DRIVERS = %w[kvm qemu lxc].freeze

  attr_reader :address, :port, :host_key

  def initialize(entry)
    super
    check_name
    @address = entry.text('address', name)
    Address.host?(@address) or entry.refuse('address', 'it must be a host name or an address; the port is the key port')
    @port = entry.number('port', 1..65_535, 22)
    @driver = entry.choice('driver', DRIVERS, 'kvm')
    @cluster = entry.given?('cluster') && Entry.name("#{title}: cluster", entry['cluster'])
    @host_key = HostKey.read(title, entry['hostKey']) unless [nil, ''].include?(entry['hostKey'])
    @attributes = entry.attributes('NAME' => 'name', 'LABELS' => 'labels').merge(labels)
  end

  def check(one, declaration)
    check_known(:cluster, [@cluster], one, declaration) if @cluster
    thing = one.find(kind, name) or return
    %w[VM_MAD IM_MAD].each { |mad| refuse_other('driver', thing.text(mad), @driver) }
  end

  def apply(one, report)
    thing = one.find(kind, name)
    super
    move(one, thing, report) if thing && @cluster
  end

  private

  # Stricter than OpenNebula: it is a word for SSH, and of its files.
  def check_name
    Address.name?(name) || Address.ip4?(name) and return
    raise Refusal, "#{title}: the name must be a host name or an IPv4 address, which the drivers log in to"
  end

  def labels
    labels = @entry.list('labels')
    labels.each do |label|
      label.is_a?(String) && !label.match?(/[,[:cntrl:]]|\A\s*\z/) and next
      raise Refusal, "#{title}: the label #{Entry.kind(label)} must be a text without commas (write numbers in quotes)"
    end
    labels.empty? ? {} : { 'LABELS' => labels.join(',') }
  end

  def create(one)
    cluster = @cluster ? one.fetch(:cluster, @cluster).id : -1
    id = one.allocate(kind, name, @driver, @driver, cluster)
    one.update(kind, id, @attributes.merge(Thing::MARK))
  end

  def move(one, thing, report)
    cluster = one.fetch(:cluster, @cluster)
    return if thing.text('CLUSTER_ID').to_i == cluster.id

    one.call('cluster.addhost', cluster.id, thing.id)
    report.changed("#{title}: in the cluster #{cluster.name}")
  end
end
