// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/memory/memory_store.h"

namespace flannel {

// Opens one network in `store`. `loop` must outlive the registry; it may be a ManualLoop, because
// records expire by its clock and answers come through its poster.
std::unique_ptr<Registry> open_memory_registry(std::shared_ptr<MemoryStore> store,
                                               std::string prefix, Loop& loop);

}  // namespace flannel
