# frozen_string_literal: true

require_relative 'formats'
require_relative 'source'

# What a deployment mounts to change the packaged configuration: fragments, and in
# the folder files/ whole files. Names with a dot in front are Kubernetes' own.
class Overrides
  # A file of it: the name to speak of it with, and where it goes within /etc/one.
  Mounted = Struct.new(:file, :path)

  WHOLE = 'files'
  # A folder that is new there is a view of its own.
  VIEWS = 'fireedge/sunstone/views'

  # fragments and whole have a Mounted for each path that is changed.
  attr_reader :fragments, :whole

  def initialize(folder, etc)
    @folder = folder
    @etc = etc
    @whole = find_whole
    @fragments = File.exist?(folder) ? find_fragments : {}
    check_once
  end

  private

  def find_fragments
    found = {}
    files('').each do |name|
      path = path_of(name)
      found.key?(path) and raise Refusal, "#{at(name)} and #{found[path].file} are one fragment: give one of them"
      @etc.file?(path) or
        raise Refusal, "#{at(name)} has nothing to be merged into: the image lacks the package of #{path}"
      found[path] = Mounted.new(at(name), path)
    end
    found
  end

  # A ConfigMap's keys have no slash, so that a file's own name is enough.
  def path_of(name)
    format = FORMATS.find { |f| [f.path, f.name].include?(name) }
    return format.path if format

    names = FORMATS.map(&:name)
    raise Refusal, "#{at(name)} is not a fragment that is known#{Refusal.hint(name, names)}; " \
                   "fragments are #{names.sort.join(', ')}; whole files belong into #{at(WHOLE)}"
  end

  def find_whole
    return {} unless File.exist?(at(WHOLE))

    files(WHOLE).to_h do |name|
      path = name.delete_prefix("#{WHOLE}/")
      check_place(path, at(name))
      [path, Mounted.new(at(name), path)]
    end
  end

  def check_place(path, file)
    @etc.folder?(path) and raise Refusal, "#{file} would replace the folder #{path} of #{@etc.folder}"
    return if @etc.file?(path)

    folder, name = File.split(path)
    folder == '.' and raise Refusal, "#{file} replaces nothing: #{@etc.folder} has no #{name}#{near(name, '.')}; " \
                                     'files can be added in its folders only'
    @etc.folder?(folder) || File.dirname(folder) == VIEWS or
      raise Refusal, "#{file} has no place: #{@etc.folder} has no folder #{folder}#{near(folder, '.')}"
  end

  def near(name, folder)
    Refusal.hint(name, @etc.names(folder))
  end

  def check_once
    both = fragments.keys.find { |path| whole.key?(path) } or return
    raise Refusal, "#{whole[both].file} replaces the file that #{fragments[both].file} is merged into: " \
                   'give one of them'
  end

  # The files of a folder and of those within, through Kubernetes' links.
  def files(folder)
    listing(folder).flat_map do |name|
      next name unless folder?(name)

      file_expected?(name) and raise Refusal, "#{at(name)} is a folder; it must be a file"
      files(name)
    end
  end

  def listing(folder)
    names = Dir.children(at(folder)).reject { |name| name.start_with?('.') }.sort
    folder.empty? ? names - [WHOLE] : names.map { |name| "#{folder}/#{name}" }
  rescue SystemCallError => e
    unreadable(folder, e)
  end

  def folder?(name)
    File.stat(at(name)).directory?
  rescue SystemCallError => e
    unreadable(name, e)
  end

  def unreadable(name, error)
    raise Refusal, "#{at(name)} cannot be read: #{error.class.new.message}"
  end

  # Kubernetes mounts a folder where a ConfigMap has no key of that name.
  def file_expected?(name)
    FORMATS.any? { |f| [f.path, f.name].include?(name) } || @etc.file?(name.delete_prefix("#{WHOLE}/"))
  end

  def at(name)
    name.empty? ? @folder : File.join(@folder, name)
  end
end
