# frozen_string_literal: true

require_relative 'entry'
require_relative 'opennebula'

# One declared thing that OpenNebula has, or will have. Each kind says how it is
# created; what is there gets the attributes that are declared, and keeps the others.
class Item
  attr_reader :name

  def initialize(entry)
    @entry = entry
    @name = entry['name']
    @attributes = {}
  end

  def title
    @entry.title
  end

  def kind
    self.class::KIND
  end

  # Held against what OpenNebula has, and what else is declared, before anything
  # changes.
  def check(_one, _declaration); end

  def apply(one, report)
    thing = one.find(kind, name)
    return amend(one, thing, report) if thing

    create(one)
    report.created(title)
  end

  private

  def amend(one, thing, report)
    return if @attributes.empty?

    missing = Template.missing(@attributes, one.details(kind, thing.id))
    return if missing.empty?

    one.update(kind, thing.id, missing)
    report.changed("#{title}: #{missing.keys.join(', ')}")
  end

  # Some drivers cannot be changed under what uses them.
  def refuse_other(what, present, wanted)
    present == wanted and return
    raise Refusal, "#{title} has the #{what} #{present} in OpenNebula, and #{wanted} in the file: " \
                   "declare #{present}, or delete it in OpenNebula first"
  end

  def check_driver(what, name, known)
    known.include?(name) and return
    raise Refusal, "#{title}: #{what} is #{name}; oned.conf has #{Entry.any(known)}#{Refusal.hint(name, known)}"
  end

  # Names that must be of the file or of OpenNebula already.
  def check_known(kind, names, one, declaration)
    known = declaration.names(kind) + one.all(kind).map(&:name)
    wrong = names.find { |name| !known.include?(name) } or return
    raise Refusal, "#{title} names the #{OpenNebula::KINDS[kind].title} #{wrong}, which is neither declared nor in OpenNebula" \
                   "#{Refusal.hint(wrong, known)}: declare it, or name one of #{known.uniq.sort.join(', ')}"
  end
end
