# frozen_string_literal: true

require_relative 'file_swap'

# Where the hosts are that do not answer at their name and port 22: a file of our own,
# which the administrator's includes.
class SshConfig
  NAME = 'config.cloud'
  HEAD = "# Written by the role cloud of the front-end: what is changed here is lost.\n"
  BLOCK = /^Host (\S+)\n  HostName (\S+)\n  Port (\d+)\n/.freeze

  def initialize(folder)
    @file = "#{folder}/#{NAME}"
    @main = "#{folder}/config"
    @hosts = File.exist?(@file) ? File.read(@file).scan(BLOCK).to_h { |name, *where| [name, where] } : {}
    @before = @hosts.dup
  end

  def put(name, address, port)
    if address == name && port == 22
      @hosts.delete(name)
    else
      @hosts[name] = [address, port.to_s]
    end
  end

  def keep(names)
    @hosts.select! { |name, _| names.include?(name) }
  end

  # Without hosts there is no file, which OpenSSH does not mind.
  def save
    include_it unless @hosts.empty?
    return if @hosts == @before

    @hosts.empty? ? File.delete(@file) : FileSwap.write(@file, HEAD + @hosts.map { |host| block(*host) }.join)
  end

  private

  # The key is known by the name, whatever the address.
  def block(name, (address, port))
    "\nHost #{name}\n  HostName #{address}\n  Port #{port}\n  HostKeyAlias #{name}\n"
  end

  # In front of all, where it stands below no Host of the file.
  def include_it
    text = File.exist?(@main) ? File.read(@main) : ''
    FileSwap.write(@main, "Include #{NAME}\n#{text}") unless text.match?(/^Include #{NAME}$/)
  end
end
