// SPDX-License-Identifier: Apache-2.0
#include "daemon/node_id_file.h"

#include <sys/random.h>

#include "base/file.h"
#include "base/log.h"
#include "base/network_namespace.h"

namespace flannel {
namespace {

Result<NodeId> random_node_id() {
  NodeId id;
  if (::getrandom(id.bytes.data(), id.bytes.size(), 0) != static_cast<ssize_t>(id.bytes.size())) {
    return os_error("make a node id");
  }
  return id;
}

void warn_that_it_is_not_kept(const std::string& path, const Error& why) {
  log::warning(
      "the node id cannot be kept and is another after the next start; the lease is known "
      "by PublicIP, subnet file and boot then",
      {{"file", path}, {"why", why.text}, {"cure", "give a writable --state-dir"}});
}

}  // namespace

Result<NodeId> load_or_make_node_id(const std::string& path) {
  const auto text = read_file(path);
  if (text) {
    return TRY_DURING(decode_node_id(*text),
                      "read the node id from " + path + " (delete the file to get a new id)");
  }
  if (text.error().kind == ErrorKind::not_found) return replace_node_id(path);
  const NodeId id = TRY(random_node_id());
  warn_that_it_is_not_kept(path, text.error());
  return id;
}

Result<NodeId> replace_node_id(const std::string& path) {
  const NodeId id = TRY(random_node_id());
  if (const auto kept = write_file_atomically(path, to_string(id) + "\n", 0644); !kept) {
    warn_that_it_is_not_kept(path, kept.error());
  } else {
    log::info("made a node id for this host", {{"file", path}, {"id", to_string(id)}});
  }
  return id;
}

Result<std::uint32_t> this_boot() {
  const std::string boot = TRY(read_file("/proc/sys/kernel/random/boot_id"));
  return boot_number(boot, TRY(this_network_namespace()));
}

}  // namespace flannel
