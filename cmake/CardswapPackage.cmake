# The Debian package "cardswap": both programs, manual pages, unit, options, examples and docs.
# scripts/package.sh builds it. The libraries for trainers are not in it: they are static and made
# for one LibTorch, so they are installed from source beside the trainer that uses them.
if(NOT CARDSWAP_AGENT)
  return()
endif()
set(package "${PROJECT_SOURCE_DIR}/packaging")
# Only in the package: a plain `cmake --install` stays inside its prefix.
install(FILES ${package}/systemd/cardswapd.service DESTINATION /lib/systemd/system
  COMPONENT service EXCLUDE_FROM_ALL)
install(FILES ${package}/debian/cardswapd.default DESTINATION /etc/default RENAME cardswapd
  COMPONENT service EXCLUDE_FROM_ALL)
install(FILES ${package}/debian/sysusers.conf DESTINATION /usr/lib/sysusers.d RENAME cardswap.conf
  COMPONENT service EXCLUDE_FROM_ALL)
install(FILES ${package}/debian/tmpfiles.conf DESTINATION /usr/lib/tmpfiles.d RENAME cardswap.conf
  COMPONENT service EXCLUDE_FROM_ALL)
# For keys, tokens and policies: nobody but root needs them.
install(DIRECTORY DESTINATION /etc/cardswap COMPONENT service EXCLUDE_FROM_ALL
  DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE)
install(FILES README.md CHANGELOG.md DESTINATION /usr/share/doc/cardswap
  COMPONENT service EXCLUDE_FROM_ALL)
install(FILES LICENSE DESTINATION /usr/share/doc/cardswap RENAME copyright
  COMPONENT service EXCLUDE_FROM_ALL)
install(DIRECTORY docs DESTINATION /usr/share/doc/cardswap COMPONENT service EXCLUDE_FROM_ALL
  FILES_MATCHING PATTERN "*.md")
install(FILES ${package}/debian/bash-completion COMPONENT service EXCLUDE_FROM_ALL
  DESTINATION /usr/share/bash-completion/completions RENAME cardswap)
install(PROGRAMS scripts/maintenance.sh DESTINATION /usr/bin RENAME cardswap-maintenance
  COMPONENT service EXCLUDE_FROM_ALL)
install(PROGRAMS ${package}/slurm/cardswap-slurm-drain ${package}/slurm/cardswap-slurm-epilog
  ${package}/slurm/cardswap-slurm-prolog ${package}/slurm/cardswap-slurm-task-prolog
  DESTINATION /usr/lib/cardswap/slurm COMPONENT service EXCLUDE_FROM_ALL)
install(FILES ${package}/grafana/cardswap.json ${package}/prometheus/cardswap.rules.yml
  DESTINATION /usr/share/doc/cardswap/examples COMPONENT service EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME cardswap)
set(CPACK_PACKAGE_VENDOR Cardswap)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
  "An agent on each host runs training jobs and moves them, while they train, to another device or\nhost: bit for bit, with a bound on the downtime, and with the job unharmed if it fails.")
set(CPACK_PACKAGE_CONTACT "Cardswap <cardswap@localhost>")
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL agent service)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS systemd)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${package}/debian/postinst ${package}/debian/prerm
  ${package}/debian/postrm ${package}/debian/conffiles)
include(CPack)
