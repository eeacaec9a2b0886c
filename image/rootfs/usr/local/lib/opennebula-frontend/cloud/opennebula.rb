# frozen_string_literal: true

require 'rexml/document'
require 'xmlrpc/client'
require_relative '../refusal'
require_relative 'template'
require_relative 'thing'

# OpenNebula by its XML-RPC, as oneadmin.
class OpenNebula
  # oned says no.
  class Refused < StandardError; end
  # oned says nothing.
  class Unreachable < StandardError; end

  # Of each kind: its word in the names of methods, the one that lists all of it, and
  # what a reader calls it.
  Kind = Struct.new(:word, :list, :title)
  EVERYBODYS = [-2, -1, -1].freeze
  KINDS = {
    cluster: Kind.new('cluster', ['clusterpool.info'], 'cluster'),
    datastore: Kind.new('datastore', ['datastorepool.info'], 'datastore'),
    network: Kind.new('vn', ['vnpool.info', *EVERYBODYS], 'virtual network'),
    marketplace: Kind.new('market', ['marketpool.info'], 'marketplace'),
    group: Kind.new('group', ['grouppool.info'], 'group'),
    host: Kind.new('host', ['hostpool.info'], 'host')
  }.freeze

  # What the client raises where there is no answer, or none of oned's.
  SILENT = [SystemCallError, SocketError, IOError, Timeout::Error, OpenSSL::SSL::SSLError, RuntimeError].freeze

  def initialize(url, session)
    @url = url
    @session = session
    @client = XMLRPC::Client.new2(url, nil, 120)
    @known = {}
  end

  # A connection for each call: oned closes those that wait.
  def call(method, *args)
    answer = @client.call_async("one.#{method}", @session, *args)
    answer[0] or raise Refused, answer[1]
    answer[1]
  rescue XMLRPC::FaultException => e
    raise Refused, "oned does not know what to do with one.#{method}: #{e.faultString}"
  rescue *SILENT => e
    raise Unreachable, "#{@url} does not answer as oned does: #{e.message}"
  end

  # Until oned answers, and takes the password.
  def wait(seconds, report)
    deadline = now + seconds
    said = nil
    until (reason = obstacle).nil?
      now < deadline or raise Refusal, "oned was not ready within #{seconds} s: #{reason}"
      report.say("waiting for oned: #{reason}") if reason != said
      said = reason
      sleep 1
    end
  end

  # All of a kind. Names are unique within an owner: those of others are not meant.
  def all(kind)
    @known[kind] ||= document(*KINDS[kind].list).root.elements.to_a.map { |e| Thing.new(e) }.select(&:oneadmins?)
  end

  def find(kind, name)
    all(kind).find { |thing| thing.name == name }
  end

  # As find, where it must be there by now.
  def fetch(kind, name)
    find(kind, name) or raise Refused, "the #{KINDS[kind].title} #{name} is not there"
  end

  # All that there is about a thing, with what oned keeps encrypted.
  def details(kind, id)
    Thing.new(document("#{KINDS[kind].word}.info", id, true).root)
  end

  # Creates a thing by its method; returns its number.
  def allocate(kind, *args)
    id = call("#{KINDS[kind].word}.allocate", *args)
    @known.delete(kind)
    id
  end

  # Attributes are added to those that are there, or replace them.
  def update(kind, id, attributes)
    call("#{KINDS[kind].word}.update", id, Template.xml(attributes), 1)
  end

  def delete(kind, id)
    call("#{KINDS[kind].word}.delete", id)
    @known.delete(kind)
  end

  # oned.conf, without its secrets, as XML.
  def configuration
    @configuration ||= document('system.config').root
  end

  # The drivers of a kind by oned.conf, such as those of TM_MAD_CONF.
  def drivers(section)
    configuration.get_elements("#{section}/NAME").map { |name| name.text.to_s }
  end

  private

  def document(*call)
    REXML::Document.new(call(*call))
  rescue REXML::ParseException
    raise Refused, "the answer to one.#{call.first} is not XML"
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  def obstacle
    call('user.info', -1, false)
    nil
  rescue Unreachable => e
    e.message
  rescue Refused
    'it refuses oneadmin with the password of ONEADMIN_PASSWORD_FILE, which it takes over when it starts'
  end
end
