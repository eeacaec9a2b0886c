# frozen_string_literal: true

require_relative 'env_conf'
require_relative 'one_conf'
require_relative 'one_keys'
require_relative 'yaml_conf'
require_relative 'yaml_keys'

# A file of /etc/one that takes fragments: its path there, the class that reads it,
# and what its reader knows although the package does not show it (more). Of YAML
# also what its reader takes for true or false, and the keys below which any key may
# stand (free).
Format = Struct.new(:path, :reader, :more, :boolean, :free, keyword_init: true) do
  def name
    File.basename(path)
  end
end

# YAML 1.1, of Ruby and Python, and YAML 1.2, of FireEdge: there, yes is a text.
BOOLEAN_1_1 = /\A(true|false|yes|no|on|off)\z/i.freeze
BOOLEAN_1_2 = /\A(true|false)\z/i.freeze

# oned.conf's package shows no example of these; costs may be fractions.
MORE_ONED = <<~CONF
  DB = [ ENCODING = "utf8mb4", ERRORS_LIMIT = 25 ]
  DEFAULT_COST = [ CPU_COST = 0.5, MEMORY_COST = 0.5, DISK_COST = 0.5 ]
  VM_SNAPSHOT_FACTOR = 0.1
  CLUSTER_ENCRYPTED_ATTR = ""
  DATASTORE_ENCRYPTED_ATTR = ""
  DOCUMENT_ENCRYPTED_ATTR = ""
  HOST_ENCRYPTED_ATTR = ""
  IMAGE_ENCRYPTED_ATTR = ""
  USER_ENCRYPTED_ATTR = ""
  VM_ENCRYPTED_ATTR = ""
  VNET_ENCRYPTED_ATTR = ""
CONF

MORE_RANK = <<~CONF
  MEMORY_SYSTEM_DS_SCALE = 0.1
  DEFAULT_SCHED = [ POLICY = 3, RANK = "FREE_CPU" ]
  DEFAULT_DS_SCHED = [ POLICY = 2, RANK = "FREE_MB" ]
  DEFAULT_NIC_SCHED = [ POLICY = 2, RANK = "USED_LEASES" ]
CONF

# All of these are shares.
MORE_DRS = <<~YAML
  PREDICTIVE: 0.5
  MEMORY_SYSTEM_DS_SCALE: 0.5
  PLACE: {WEIGHTS: {CPU_USAGE: 0.5, CPU: 0.5, MEMORY: 0.5, DISK: 0.5, NET: 0.5}}
  OPTIMIZE: {WEIGHTS: {CPU_USAGE: 0.5, CPU: 0.5, MEMORY: 0.5, DISK: 0.5, NET: 0.5}}
YAML

# How long a token of the server's own lasts, in seconds, and when it is renewed.
MORE_CLOUD = <<~YAML
  :expire_delta: 1800
  :expire_margin: 300
YAML

MORE_FIREEDGE = <<~YAML
  namespace: text
  TWO_FACTOR_AUTH_ISSUER: text
YAML

FORMATS = [
  Format.new(path: 'oned.conf', reader: OneConf, more: MORE_ONED),
  Format.new(path: 'monitord.conf', reader: OneConf, more: ''),
  Format.new(path: 'schedulers/rank.conf', reader: OneConf, more: MORE_RANK),
  Format.new(path: 'schedulers/one_drs.conf', reader: YamlConf, more: MORE_DRS, boolean: BOOLEAN_1_1, free: []),
  Format.new(path: 'oneflow-server.conf', reader: YamlConf, more: "#{MORE_CLOUD}:vr_name_template: text\n",
             boolean: BOOLEAN_1_1, free: []),
  Format.new(path: 'onegate-server.conf', reader: YamlConf, more: MORE_CLOUD, boolean: BOOLEAN_1_1, free: []),
  Format.new(path: 'onehem-server.conf', reader: YamlConf, more: '', boolean: BOOLEAN_1_1, free: []),
  Format.new(path: 'fireedge-server.conf', reader: YamlConf, more: MORE_FIREEDGE, boolean: BOOLEAN_1_2, free: []),
  Format.new(path: 'fireedge/sunstone/sunstone-server.conf', reader: YamlConf, more: '', boolean: BOOLEAN_1_2,
             free: %w[langs leases]),
  Format.new(path: 'guacd', reader: EnvConf)
].freeze
