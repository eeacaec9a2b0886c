# frozen_string_literal: true

require 'openssl'
require 'uri'
require_relative 'source'

# TLS to the database server. OpenNebula has no setting for it, but what it knows as the
# host goes to MariaDB's client library, which takes options there: "host=db;ssl-…".
class Tls
  MODES = %w[off unverified verified].freeze
  CA = 'database-ca.pem' # in /etc/one, as of there the roles need no further volume

  # The certificates of the authorities that count; none are the system's.
  attr_reader :authorities

  def initialize(mode, authorities)
    @mode = mode
    @authorities = authorities
  end

  # SERVER of oned.conf.
  def server(host)
    @mode == 'off' ? host : ["host=#{host}", *options].join(';')
  end

  # The same for onedb, which makes a URL of it.
  def escaped(host)
    URI.encode_www_form_component(server(host))
  end

  # What the client's option file says. Its own default is to encrypt where it can,
  # which oned does not.
  def client
    { 'off' => ['skip-ssl'], 'unverified' => ['ssl'] }.fetch(@mode) { options }
  end

  # A file of certificates in PEM.
  def self.read(file, name)
    text = Source.text(file, name: name)
    OpenSSL::X509::Certificate.load(text)
    text
  rescue OpenSSL::X509::CertificateError
    raise Refusal, "#{name} holds no certificate in PEM: it must hold those of the authorities " \
                   "that sign the database server's"
  end

  private

  def options
    return ['ssl-enforce=1'] if @mode == 'unverified'

    ['ssl-verify-server-cert=1', *("ssl-ca=/etc/one/#{CA}" if authorities)]
  end
end
