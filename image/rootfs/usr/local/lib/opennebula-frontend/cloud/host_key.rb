# frozen_string_literal: true

require 'digest'
require_relative '../refusal'
require_relative 'entry'

# The public key by which an SSH server is known: its type, and its digits in base64.
HostKey = Struct.new(:type, :digits) do
  def self.read(title, value)
    key = parse(value.to_s.strip)
    return key if key

    raise Refusal, "#{title}: hostKey is #{Entry.kind(value)}; it must be a public key in one line, " \
                   'such as "ssh-ed25519 AAAA…", as ssh-keyscan or /etc/ssh/ssh_host_ed25519_key.pub on the host has it'
  end

  # TYPE DIGITS [COMMENT]; nil if it is not that. The digits begin with the type.
  def self.parse(text)
    type, digits = text.match(/\A(\S+)[ \t]+(\S+)(?:[ \t][^\n]*)?\z/)&.captures
    blob = digits&.unpack1('m0')
    new(type, digits) if blob && blob.bytesize > 4 + type.bytesize && blob.start_with?([type.bytesize].pack('N') + type)
  rescue ArgumentError # not base64
    nil
  end

  def fingerprint
    "SHA256:#{Digest::SHA256.base64digest(digits.unpack1('m0')).delete('=')}"
  end

  def to_s
    "#{type} #{digits}"
  end
end
