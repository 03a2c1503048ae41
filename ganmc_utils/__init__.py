"""GAN-MC: compress a teacher into a small student with teacher-labelled samples of a GAN.

Read the modules in the order of the data: datasets -> forests (teacher) -> acgan -> sources ->
forests (student) -> scores -> records -> claims, plots (page).
"""
