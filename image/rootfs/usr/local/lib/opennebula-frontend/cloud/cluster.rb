# frozen_string_literal: true

require_relative 'item'

# A cluster: hosts that share datastores and networks.
class Cluster < Item
  KIND = :cluster
  KEYS = %w[name attributes].freeze

  def initialize(entry)
    super
    @attributes = entry.attributes('NAME' => 'name')
  end

  private

  def create(one)
    one.update(kind, one.allocate(kind, name), @attributes.merge(Thing::MARK))
  end
end
