"""GAN-MC: compress a teacher into a small student with teacher-labelled samples of a GAN.

Read the modules in the order of the data. Forests: datasets -> forests (teacher) -> acgan -> sources -> compression
(students) -> scores. Networks: images -> networks -> objectives -> acgan, image_gan -> image_sources -> mixing ->
training -> cast -> deep (chapters). Then records -> claims, scoreboard -> tables, plots (page).
"""
