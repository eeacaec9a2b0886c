# frozen_string_literal: true

require 'open3'
require_relative 'host_key'

# Asks a host for its keys.
class KeyScan
  # The best first.
  TYPES = %w[ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 ssh-rsa].freeze
  # ssh-keyscan's words for them.
  WORDS = { 'ssh-ed25519' => 'ed25519', 'ssh-rsa' => 'rsa' }.freeze

  # The keys, or why there are none.
  Result = Struct.new(:keys, :reason)

  def initialize(wait)
    @wait = wait
  end

  def ask(host, types)
    types = TYPES if (types & TYPES).empty?
    words = types.map { |type| WORDS.fetch(type, 'ecdsa') }.uniq.join(',')
    out, err, = Open3.capture3('ssh-keyscan', '-T', @wait.to_s, '-p', host.port.to_s, '-t', words, host.address)
    keys = out.lines.grep_v(/\A#/).filter_map { |line| HostKey.parse(line.chomp.split(' ', 2).last.to_s) }
    Result.new(keys.sort_by { |key| TYPES.index(key.type) || TYPES.size }, reason(err))
  end

  private

  def reason(said)
    said.lines.grep_v(/\A#/).last.to_s.strip
  end
end
