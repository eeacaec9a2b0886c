# frozen_string_literal: true

require 'net/http'
require 'ox'

# oned's API, by XML-RPC, as oneadmin. No message of it holds the credentials.
class Oned
  class Failure < StandardError; end

  URL = URI('http://localhost:2633/RPC2')
  ENTITIES = { '&' => '&amp;', '<' => '&lt;', '>' => '&gt;' }.freeze
  # Elements that one answer holds at most, where oned divides a pool: neither has all
  # of ten thousand virtual machines in memory then.
  PAGE = 1000

  # An element of oned's documents.
  class Element
    def initialize(node)
      @node = node
    end

    # The elements at a path, or all that are in this one.
    def all(path = nil)
      nodes = path ? @node.locate(path) : @node.nodes.grep(Ox::Element)
      nodes.map { |node| Element.new(node) }
    end

    # The text at a path, whether it stands in CDATA or not; none is nil.
    def text(path)
      @node.locate(path).first&.nodes&.map { |part| part.is_a?(Ox::CData) ? part.value : part }&.join
    end

    def number(path)
      Integer(text(path) || '', 10, exception: false)
    end
  end

  def initialize(auth)
    @auth = auth
  end

  def version
    call('one.system.version')
  end

  def document(method, *params)
    Element.new(parse(call(method, *params)))
  end

  # The elements of a pool. Its filter, where it takes one: -2 is all that there are.
  def pool(method, *filter)
    document(method, *filter).all
  end

  # Those of a pool that is divided, one after the other; rest are its parameters
  # after the range.
  def each_of(method, *rest)
    return enum_for(:each_of, method, *rest) unless block_given?

    0.step(by: PAGE) do |from|
      page = pool(method, -2, from, -PAGE, *rest)
      page.each { |element| yield element }
      break if page.length < PAGE
    end
  end

  private

  def call(method, *params)
    answer = parse(post(request(method, params)))
    fault = answer.locate('fault/value/struct/member/value/string').first
    raise Failure, "#{method}: #{fault.text}" if fault

    success, value = answer.locate('params/param/value/array/data/value').map { |node| node.nodes.first&.text }
    raise Failure, "#{method}: #{value}" unless success == '1'

    value.to_s
  end

  def request(method, params)
    values = [File.read(@auth).chomp, *params].map { |value| "<param><value>#{typed(value)}</value></param>" }
    "<?xml version=\"1.0\"?><methodCall><methodName>#{method}</methodName><params>#{values.join}</params></methodCall>"
  rescue SystemCallError => e
    raise Failure, "cannot read oneadmin's credentials: #{e.message}"
  end

  def typed(value)
    value.is_a?(Integer) ? "<int>#{value}</int>" : "<string>#{value.gsub(/[&<>]/, ENTITIES)}</string>"
  end

  def post(body)
    http = Net::HTTP.new(URL.host, URL.port)
    http.open_timeout = 5
    http.read_timeout = 30
    response = http.post(URL.path, body, 'Content-Type' => 'text/xml')
    response.is_a?(Net::HTTPOK) or raise Failure, "oned answered #{response.code}"
    response.body.force_encoding(Encoding::UTF_8)
  rescue SystemCallError, SocketError, IOError, Timeout::Error, Net::HTTPBadResponse => e
    raise Failure, "oned does not answer: #{e.message}"
  end

  def parse(text)
    node = Ox.parse(text)
    node = node.root if node.is_a?(Ox::Document)
    node or raise Failure, 'oned answered nothing'
  rescue Ox::ParseError
    raise Failure, 'oned answered something that is not XML'
  end
end
