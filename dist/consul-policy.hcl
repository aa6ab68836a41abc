# What the Consul token of a host may do: flanneld needs these rights and no others. Load it with
#   consul acl policy create -name flannel -rules @consul-policy.hcl
#   consul acl token create -policy-name flannel
# The prefix is that of --etcd-prefix without its first slash, the node that of --consul-node.

key_prefix "coreos.com/network/" {
  policy = "write"
}

# For --publish-health:
# key_prefix "coreos.com/network-health/" {
#   policy = "write"
# }

# Leases are held by sessions of this node, which belongs to no server and to no agent.
session_prefix "flannel" {
  policy = "write"
}
node "flannel" {
  policy = "write"
}

# For --consul-register:
# service "flanneld" {
#   policy = "write"
# }
