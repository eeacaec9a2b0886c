# frozen_string_literal: true

require_relative 'template'

# One thing that OpenNebula has, as its XML tells.
class Thing
  # The attribute of what this tool created, and its value.
  MARK = { 'MANAGED_BY' => 'opennebula-helm' }.freeze

  attr_reader :element

  def initialize(element)
    @element = element
  end

  def id
    text('ID').to_i
  end

  def name
    text('NAME')
  end

  def text(path)
    element.elements[path]&.text.to_s
  end

  def numbers(path)
    element.get_elements(path).map { |e| e.text.to_i }
  end

  # An attribute: a text, or a hash of texts; nil if there is none.
  def attribute(name)
    found = element.elements["TEMPLATE/#{name}"]
    found && Template.value(found)
  end

  def managed?
    MARK.all? { |name, value| attribute(name) == value }
  end

  # Some kinds have no owner.
  def oneadmins?
    [nil, '0'].include?(element.elements['UID']&.text)
  end
end
