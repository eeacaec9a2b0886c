# frozen_string_literal: true

require 'did_you_mean'

# Why a deployment's settings are not taken: one sentence for its administrator.
class Refusal < StandardError
  # A mistake at one place of a file, the first line being 1.
  def self.at(file, line, sentence)
    new("#{file}, line #{line}: #{sentence}")
  end

  # The known word that someone who wrote this one probably meant.
  def self.hint(word, known)
    near = DidYouMean::SpellChecker.new(dictionary: known).correct(word).first
    near ? " (did you mean #{near}?)" : ''
  end
end
