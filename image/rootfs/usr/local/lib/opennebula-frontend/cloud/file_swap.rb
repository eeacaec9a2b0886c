# frozen_string_literal: true

# Replaces a private file at once: who reads it sees the old one or the new one.
module FileSwap
  module_function

  def write(file, content)
    partial = "#{file}.cloud-partial"
    File.open(partial, File::WRONLY | File::CREAT | File::TRUNC, 0o600) do |f|
      f.write(content)
      f.fsync
    end
    File.rename(partial, file)
  end
end
