// SPDX-License-Identifier: Apache-2.0
#include "daemon/node_id_file.h"

#include <sys/random.h>

#include "base/file.h"
#include "base/log.h"

namespace flannel {

Result<NodeId> load_or_make_node_id(const std::string& path) {
  const auto text = read_file(path);
  if (text) {
    return TRY_DURING(decode_node_id(*text),
                      "read the node id from " + path + " (delete the file to get a new id)");
  }
  if (text.error().kind != ErrorKind::not_found) return tl::unexpected(text.error());
  NodeId id;
  if (::getrandom(id.bytes.data(), id.bytes.size(), 0) != static_cast<ssize_t>(id.bytes.size())) {
    return os_error("make a node id");
  }
  TRY(write_file_atomically(path, to_string(id) + "\n", 0644));
  log::info("made a node id for this host", {{"file", path}, {"id", to_string(id)}});
  return id;
}

Result<NodeTag> load_or_make_node_tag(const std::string& path) {
  const NodeId id = TRY(load_or_make_node_id(path));
  const std::string boot = TRY(read_file("/proc/sys/kernel/random/boot_id"));
  return NodeTag{id, boot_number(boot)};
}

}  // namespace flannel
