# frozen_string_literal: true

# Serves Prometheus the figures of oned at /metrics. Without oned there are few, and
# still an answer: opennebula_up is 0.
#
#   server.rb PORT FILE    the file has oneadmin's credentials

require 'webrick'
require_relative 'figures'
require_relative 'oned'

# What was asked last, for a few seconds: whoever asks more often asks oned no more.
class Exporter
  FRESH = 5

  def initialize(oned)
    @oned = oned
    @figures = Figures.new(oned)
    @errors = Figures::KINDS.to_h { |kind| [kind, 0] }
    @said = {}
    @lock = Mutex.new
    @asked = -Float::INFINITY
  end

  def text
    @lock.synchronize do
      refresh if now - @asked > FRESH
      @text
    end
  end

  private

  def refresh
    began = now
    page = Page.new
    up = attempt(:version) { page.add('opennebula_build_info', 1, version: @oned.version) }
    page.add('opennebula_up', up ? 1 : 0)
    Figures::KINDS.each { |kind| add(kind, page) } if up
    @asked = now
    page.add('opennebula_scrape_duration_seconds', (@asked - began).round(6))
    @errors.each { |kind, count| page.add('opennebula_scrape_errors_total', count, figures: kind) }
    @text = page.to_s
  end

  def add(kind, page)
    attempt(kind) { page.merge(@figures.of(kind)) } or @errors[kind] += 1
  end

  # Whether oned gave it. A reason is said once, until there is another.
  def attempt(what)
    yield
    warn "exporter: oned gives #{what} again" if @said.delete(what)
    true
  rescue Oned::Failure => e
    warn "exporter: oned does not give #{what}: #{e.message}" if @said[what] != e.message
    @said[what] = e.message
    false
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end

port, auth = ARGV
exporter = Exporter.new(Oned.new(auth))
server = WEBrick::HTTPServer.new(Port: port.to_i, AccessLog: [], Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN))
server.mount_proc('/metrics') do |_, response|
  response.content_type = 'text/plain; version=0.0.4; charset=utf-8'
  response.body = exporter.text
end
server.mount_proc('/healthz') { |_, response| response.status = 204 }
trap('TERM') { server.shutdown }
puts "exporter: serves /metrics on port #{port}"
$stdout.flush
server.start
