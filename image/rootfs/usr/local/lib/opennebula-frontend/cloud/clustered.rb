# frozen_string_literal: true

require_relative 'item'

# A thing that may be in several clusters.
class Clustered < Item
  def initialize(entry)
    super
    @clusters = entry.names('clusters')
    entry.given?('clusters') && @clusters.empty? and
      raise Refusal, "#{title}: clusters is empty: name one, or leave the key out"
  end

  def check(one, declaration)
    super
    check_known(:cluster, @clusters, one, declaration)
  end

  def apply(one, report)
    super
    join(one, report) unless @clusters.empty?
  end

  private

  # OpenNebula puts it into the default cluster where none is declared.
  def first_cluster(one)
    @clusters.empty? ? -1 : one.fetch(:cluster, @clusters.first).id
  end

  # Out of a cluster goes only what was put there by this tool.
  def join(one, report)
    thing = one.fetch(kind, name)
    present = thing.numbers('CLUSTERS/ID')
    wanted = @clusters.map { |cluster| one.fetch(:cluster, cluster) }
    wanted.reject { |cluster| present.include?(cluster.id) }.each do |cluster|
      one.call("cluster.add#{self.class::MEMBER}", cluster.id, thing.id)
      report.changed("#{title}: in the cluster #{cluster.name}")
    end
    leave(one, thing, present - wanted.map(&:id), report) if thing.managed?
  end

  def leave(one, thing, clusters, report)
    one.all(:cluster).select { |cluster| clusters.include?(cluster.id) }.each do |cluster|
      one.call("cluster.del#{self.class::MEMBER}", cluster.id, thing.id)
      report.changed("#{title}: no longer in the cluster #{cluster.name}")
    end
  end
end
