# frozen_string_literal: true

require_relative 'opennebula'

# What a run did, one line for each change, and the counts at its end.
class Report
  def initialize
    $stdout.sync = true
    @counts = Hash.new(0)
  end

  def say(text)
    puts "cloud: #{text}"
  end

  def created(text)
    count(:created, text)
  end

  def changed(text)
    count(:changed, text)
  end

  def deleted(text)
    count(:deleted, text)
  end

  # What is to be done for one thing must not keep the others from theirs.
  def attempt(title)
    yield
  rescue OpenNebula::Refused => e
    failed("#{title}: #{e.message}")
  end

  def failed(text)
    @counts[:failed] += 1
    warn "cloud: #{text}"
  end

  # The last line; returns the exit status.
  def finish
    counts = %i[created changed deleted].map { |what| "#{@counts[what]} #{what}" }.join(', ')
    failed = @counts[:failed]
    if failed.positive?
      warn "cloud: #{counts}, #{failed} not done (see above): run it again when that is mended"
      return 1
    end
    say(@counts.empty? ? "nothing to do, OpenNebula is as declared: #{counts}" : "OpenNebula is as declared: #{counts}")
    0
  end

  private

  def count(what, text)
    @counts[what] += 1
    say("#{what} #{text}")
  end
end
