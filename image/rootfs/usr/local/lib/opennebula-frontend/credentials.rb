# frozen_string_literal: true

# Makes the database and the files of /var/lib/one/.one agree on the two users that
# the front-end itself needs, before oned starts. It changes nothing that agrees.
#
#   oneadmin     one_auth has the password that the deployment wants, bootstrap
#                having written it there; the database follows.
#   serveradmin  the services' own user: a file for each and the database hold one
#                random password. What is missing is written anew.

require 'digest'
require 'open3'
require 'rexml/document'
require 'securerandom'

HOME = ENV.fetch('ONE_HOME', '/var/lib/one')
AUTH = "#{HOME}/.one"
SQL = ENV.fetch('ONE_SQL', "#{__dir__}/sql")
# Bytes as text, in the words of the server and of SQLite.
TEXT = File.exist?("#{ENV.fetch('ONE_ETC', '/etc/one')}/.my.cnf") ? "CONVERT(X'%s' USING utf8mb4)" : "CAST(X'%s' AS TEXT)"
SERVICES = %w[sunstone oneflow onegate oneform oneks].map { |name| "#{AUTH}/#{name}_auth" }

class Failure < StandardError; end

def say(text)
  puts "credentials: #{text}"
end

def sql(statement)
  out, err, status = Open3.capture3(SQL, stdin_data: statement)
  status.success? or raise Failure, "the database refused a query: #{err.lines.last}"
  out
end

# A user as the database has it: an XML document, read and written in hexadecimal
# digits, which no quoting can break.
class User
  attr_reader :name

  def self.find(id, name)
    hex = sql("SELECT HEX(body) FROM user_pool WHERE oid = #{id};").strip
    hex.empty? and raise Failure, "the database has no user #{id}, #{name}: restore a backup; if this was the very first start, delete the database"
    new(id, [hex].pack('H*').force_encoding(Encoding::UTF_8))
  end

  def initialize(id, body)
    @id = id
    @document = REXML::Document.new(body)
    @name = text('NAME')
  end

  def driver
    text('AUTH_DRIVER')
  end

  def password?(password)
    text('PASSWORD') == Digest::SHA256.hexdigest(password)
  end

  def password=(password)
    @document.root.elements['PASSWORD'].text = Digest::SHA256.hexdigest(password)
    store(@document.to_s)
  end

  private

  def text(element)
    @document.root.elements[element]&.text.to_s
  end

  def store(body)
    sql("UPDATE user_pool SET body = #{format(TEXT, body.unpack1('H*'))} WHERE oid = #{@id};")
  end
end

def write_private(file, content)
  partial = "#{file}.partial"
  File.open(partial, File::WRONLY | File::CREAT | File::TRUNC, 0o600) { |f| f.write(content) }
  File.rename(partial, file)
end

# The password that a file holds, if it holds one.
def password_in(file)
  File.exist?(file) ? File.read(file).chomp.split(':', 2)[1] : nil
end

# oned creates serveradmin together with these files, and refuses to start where
# one is there already: left by another database, or by a start that broke off.
def forget_serveradmin
  old = SERVICES.select { |file| File.exist?(file) }
  return if old.empty?

  old.each { |file| File.delete(file) }
  say 'the database is empty: removed the credentials of another one, oned writes new ones'
end

def repair_oneadmin(oneadmin)
  password = password_in("#{AUTH}/one_auth") or raise Failure, "#{AUTH}/one_auth has no password: run the role bootstrap"
  if oneadmin.driver != 'core'
    say "#{oneadmin.name} logs in by #{oneadmin.driver}, not by a password of OpenNebula's own: left as it is"
  elsif !oneadmin.password?(password)
    oneadmin.password = password
    say "changed the password of #{oneadmin.name} to the one of its Secret"
  end
  write_private("#{AUTH}/one_auth", "#{oneadmin.name}:#{password}\n")
end

def repair_serveradmin(serveradmin)
  known = SERVICES.map { |file| password_in(file) }
  return if known.uniq.one? && known.first && serveradmin.password?(known.first)

  password = known.compact.find { |p| serveradmin.password?(p) } || SecureRandom.hex(32)
  serveradmin.password = password unless serveradmin.password?(password)
  SERVICES.each { |file| write_private(file, "#{serveradmin.name}:#{password}\n") }
  say "the services' credentials did not match the database: repaired"
end

begin
  if ARGV == ['empty']
    forget_serveradmin
  else
    repair_oneadmin(User.find(0, 'oneadmin'))
    repair_serveradmin(User.find(1, 'serveradmin'))
  end
rescue Failure, SystemCallError, REXML::ParseException => e
  warn "credentials: #{e.message}"
  exit 1
end
