# frozen_string_literal: true

require 'rexml/document'

# Attributes as OpenNebula takes and gives them: XML, in which each is a text, or a
# vector, which is texts by their names.
module Template
  module_function

  # A value may be a list: one attribute for each.
  def xml(attributes)
    root = REXML::Element.new('TEMPLATE')
    attributes.each do |name, values|
      (values.is_a?(Array) ? values : [values]).each { |value| add(root, name, value) }
    end
    root.to_s
  end

  def value(element)
    return element.text.to_s unless element.has_elements?

    element.elements.to_h { |e| [e.name, e.text.to_s] }
  end

  # Of what is wanted, what is not there; a vector with all that it has there.
  def missing(wanted, thing)
    wanted.each_with_object({}) do |(name, value), missing|
      present = thing.attribute(name)
      if value.is_a?(Hash) && present.is_a?(Hash)
        missing[name] = present.merge(value) unless value <= present
      else
        missing[name] = value unless value == present
      end
    end
  end

  def add(parent, name, value)
    element = parent.add_element(name)
    if value.is_a?(Hash)
      value.each { |inner, text| add(element, inner, text) }
    else
      element.add(REXML::CData.new(value.to_s))
    end
  end
end
