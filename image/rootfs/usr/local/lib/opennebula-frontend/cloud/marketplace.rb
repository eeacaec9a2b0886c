# frozen_string_literal: true

require_relative 'item'

# A marketplace that OpenNebula has, to be on or off.
class Marketplace < Item
  KIND = :marketplace
  STATES = { true => '0', false => '1' }.freeze

  def check(one, _declaration)
    one.find(kind, name) and return
    known = one.all(kind).map(&:name)
    raise Refusal, "#{title} is not in OpenNebula#{Refusal.hint(name, known)}: name one of #{known.sort.join(', ')}"
  end

  def apply(one, report)
    thing = one.fetch(kind, name)
    on = @entry['on']
    return if thing.text('STATE') == STATES[on]

    one.call('market.enable', thing.id, on)
    report.changed("#{title}: #{on ? 'on' : 'off'}")
  end
end
