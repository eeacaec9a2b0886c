# frozen_string_literal: true

require 'ipaddr'

# Host names and addresses.
module Address
  # A part of a host name.
  LABEL = /[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?/i.freeze
  MAC = /\A\h{2}(:\h{2}){5}\z/.freeze

  module_function

  def host?(text)
    name?(text) || ip4?(text) || ip6?(text)
  end

  # A last part of digits only is that of an address.
  def name?(text)
    text.length <= 253 && text.match?(/\A(#{LABEL}\.)*(?!\d+\z)#{LABEL}\z/i)
  end

  def ip4?(text)
    text.match?(/\A\d{1,3}(\.\d{1,3}){3}\z/) && IPAddr.new(text).ipv4?
  rescue IPAddr::Error
    false
  end

  def ip6?(text)
    text.match?(/\A[\h:.]*:[\h:.]*\z/) && IPAddr.new(text).ipv6?
  rescue IPAddr::Error
    false
  end
end
