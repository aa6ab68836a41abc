# The pages are installed as they lie in the repository, so that the links between them work.
set(source ${CMAKE_CURRENT_LIST_DIR}/..)
install(FILES ${source}/README.md ${source}/ARCHITECTURE.md ${source}/CONTRIBUTING.md
  DESTINATION ${doc})
install(DIRECTORY ${source}/docs/ DESTINATION ${doc}/docs
  FILES_MATCHING PATTERN "*.md" PATTERN "*.png" PATTERN man EXCLUDE)
