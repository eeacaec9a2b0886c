# frozen_string_literal: true

# What this tool once created, and the file no longer declares. Hosts on which nothing
# runs are deleted; all else stays.
class Leftovers
  def initialize(declaration, one, report)
    @declaration = declaration
    @one = one
    @report = report
  end

  def settle
    of(:host).each { |host| @report.attempt("the host #{host.name}") { remove(host) } }
    (OpenNebula::KINDS.keys - [:host]).each do |kind|
      of(kind).each do |thing|
        @report.say("the #{OpenNebula::KINDS[kind].title} #{thing.name} is no longer declared; it stays, delete it in OpenNebula")
      end
    end
  end

  # The hosts that stay: declared, or in OpenNebula.
  def hosts
    @declaration.names(:host) + @one.all(:host).map(&:name)
  end

  private

  def of(kind)
    @one.all(kind).select(&:managed?).reject { |thing| @declaration.names(kind).include?(thing.name) }
  end

  def remove(host)
    machines = @one.details(:host, host.id).numbers('VMS/ID').size
    if machines.positive?
      @report.say("the host #{host.name} is no longer declared; it stays as long as it has virtual machines (#{machines})")
      return
    end
    @one.delete(:host, host.id)
    @report.deleted("the host #{host.name}, which is no longer declared")
  end
end
