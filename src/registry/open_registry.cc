// SPDX-License-Identifier: Apache-2.0
#include "registry/open_registry.h"

#include "registry/memory/memory_registry.h"
#include "registry/store_keys.h"

namespace flannel {

Result<std::unique_ptr<Registry>> open_registry(const StoreOptions& options, Loop& loop) {
  switch (options.kind) {
    case StoreKind::memory:
      return open_memory_registry(MemoryStore::process_wide(), clean_path(options.prefix), loop);
    case StoreKind::etcd:
    case StoreKind::sqlite:
      break;
  }
  return fail(ErrorKind::unsupported, "open the store: this build has no such kind of store");
}

}  // namespace flannel
